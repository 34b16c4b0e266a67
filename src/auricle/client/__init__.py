"""The client wing: audio and manifests -> requests -> typed transcripts, scores and reports."""

from auricle.client.blocking import Client
from auricle.client.client import AsyncClient, Audio, Patience
from auricle.client.credentials import Credentials
from auricle.client.results import Alternative, Result, Segment, Token, Transcription, Word
from auricle.client.streaming import Chunk, Partial, PartialStream

__all__ = [
    "Alternative",
    "AsyncClient",
    "Audio",
    "Chunk",
    "Client",
    "Credentials",
    "Partial",
    "PartialStream",
    "Patience",
    "Result",
    "Segment",
    "Token",
    "Transcription",
    "Word",
]
