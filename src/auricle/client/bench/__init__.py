"""Load on a running server, and what became of it: throughput, latency, truth, memory.

Decodes and serialises everything before the clock starts; knows the wire, never the model.
"""
