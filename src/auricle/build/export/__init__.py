"""Published graphs: read, classify, adapt, check."""
