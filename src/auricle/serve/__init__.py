"""The serving wing: request to transcript, inside Triton."""
