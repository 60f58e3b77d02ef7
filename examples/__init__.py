"""Data for a first run with images of one's own."""
