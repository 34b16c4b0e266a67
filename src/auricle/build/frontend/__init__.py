"""Feature extraction as ONNX nodes."""
