"""Whether: all that asks DVC or Git. The graph, its state, what is handed on."""
