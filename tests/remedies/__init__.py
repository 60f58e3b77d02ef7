"""Whoever does what a message says gets on."""
