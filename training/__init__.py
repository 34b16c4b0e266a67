"""The demo checkpoint: synthetic speech in, icefall-style ONNX exports out. Nothing that serves imports this."""
