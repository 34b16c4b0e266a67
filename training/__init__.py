"""The demo checkpoint: synthetic speech in, icefall-style ONNX exports out; nothing serves this."""
