"""Live audio: chunks in, partial transcripts out, one sequence of requests a stream."""

from auricle.client.streaming.partials import Chunk, Partial
from auricle.client.streaming.stream import PartialStream

__all__ = ["Chunk", "Partial", "PartialStream"]
