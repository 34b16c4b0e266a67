"""The shells that Triton calls, and the Runners."""
