"""Stage prepare: holds a validation split out of the training images."""
