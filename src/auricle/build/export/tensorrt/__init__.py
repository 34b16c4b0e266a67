"""TensorRT as its documents describe it: what its ONNX parser takes, read without TensorRT."""
