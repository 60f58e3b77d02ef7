"""Sweep: trains variants of the recipe, and says which is best on the validation split."""
