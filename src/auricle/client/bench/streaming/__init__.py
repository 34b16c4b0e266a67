"""Real-time streams on a running server: how many it sustains, how late, and whether rightly.

Every chunk is serialised before the clock starts; latencies count from when its audio was due.
"""
