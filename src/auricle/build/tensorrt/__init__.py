"""An adapted ONNX graph -> a TensorRT plan, by trtexec: in the Triton image that will serve it.

Flags and shapes are values, a Builder runs a command somewhere, and nothing here knows a family.
"""
