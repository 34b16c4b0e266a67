"""Backends of ours, linked into the folder that Triton is given; the folder name is the backend."""
