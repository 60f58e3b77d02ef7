"""Whether a batch of images is like the training images."""
