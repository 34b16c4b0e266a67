"""Encoder output to token ids and their frames: array code, whole batch at once."""
