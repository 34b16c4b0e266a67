"""Encoder graphs alone, over batch sizes: no server, no search, and everything ready in memory.

Takes graphs as they are served and audio; gives rows of a table. Imports numpy and ONNX Runtime
only, so that it runs inside the image of a server, too. Knows no pipeline.json.
"""
