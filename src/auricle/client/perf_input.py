"""Audio -> what NVIDIA's perf_analyzer reads by --input-data; a stream's chunks are one sequence.

Whole utterances: {"data": [request, ...]}.  Streams: {"data": [[request, ...], ...]}, of which
perf_analyzer marks the first and the last request of each stream itself.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from auricle import wire
from auricle.audio import Waveform

OFFLINE_FILE, STREAMING_FILE = "offline_input.json", "online_input.json"  # as WeNet's script says


class Samples(TypedDict):
    content: list[float]
    shape: list[int]


Request = dict[str, Samples | list[int]]  # by wire.WAV.name, wire.WAV_LENS.name


def request_of(waveform: Waveform) -> Request:
    """WAV, as the shortest decimals that are the same float32, and its length."""
    num_samples = len(waveform)
    content = [float(str(sample)) for sample in waveform]
    return {
        wire.WAV.name: {"content": content, "shape": [num_samples]},
        wire.WAV_LENS.name: [num_samples],
    }


def stream_of(waveform: Waveform, chunk: int) -> list[Request]:
    """Requests of `chunk` samples each; the last has the rest, which is never empty."""
    return [request_of(waveform[start : start + chunk]) for start in range(0, len(waveform), chunk)]


def save_offline(waveforms: Iterable[Waveform], folder: Path) -> Path:
    return _save([request_of(each) for each in waveforms], folder / OFFLINE_FILE)


def save_streams(waveforms: Iterable[Waveform], chunk: int, folder: Path) -> Path:
    """chunk: samples of each request."""
    return _save([stream_of(each, chunk) for each in waveforms], folder / STREAMING_FILE)


def _save(data: list[Request] | list[list[Request]], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": data}) + "\n", encoding="utf-8")
    return path
