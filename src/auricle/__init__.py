"""Auricle: speech recognition models of every family on NVIDIA Triton Inference Server."""

__version__ = "0.1.0"
