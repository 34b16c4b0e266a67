"""The client wing: audio and manifests -> requests -> typed transcripts, scores and reports."""

from auricle.client.client import AsyncClient, Audio, Client, Patience
from auricle.client.credentials import Credentials
from auricle.client.results import Alternative, Result, Segment, Token, Transcription, Word

__all__ = [
    "Alternative",
    "AsyncClient",
    "Audio",
    "Client",
    "Credentials",
    "Patience",
    "Result",
    "Segment",
    "Token",
    "Transcription",
    "Word",
]
