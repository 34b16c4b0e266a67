"""Auricle: speech recognition models of every family on NVIDIA Triton Inference Server."""

import os

__version__ = "0.1.0"

# From 1.29 on onnxruntime reports models and runs to Microsoft unless this stands before it is
# imported; servers and their Python processes inherit it. ORT_DISABLE_TELEMETRY=0 overrides it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
