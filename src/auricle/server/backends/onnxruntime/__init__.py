"""Triton's backend `onnxruntime`, in Python."""
