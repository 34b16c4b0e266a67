"""A corpus through a grid of request parameters: error rate and speed of each setting."""
