"""Stage evaluate: judges the model that ships."""
