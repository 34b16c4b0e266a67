"""The folder that Triton loads."""
