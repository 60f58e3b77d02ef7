"""How a stage runs, is refused and is told: nothing here can change a byte of an output."""
