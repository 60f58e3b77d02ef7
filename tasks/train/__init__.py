"""Stage train: fits the network, keeps the best epoch, exports the model that ships."""
