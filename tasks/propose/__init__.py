"""Proposes a parameters file for images that nobody has described yet."""
