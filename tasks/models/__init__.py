"""Models: how they are compared, judged by the gate, and kept."""
