"""What a family gets of its encoder: served, checked, measured."""

from dataclasses import dataclass

import onnx

from auricle.build.export.streaming import Layout


@dataclass(frozen=True)
class Encoder:
    """seconds_per_frame: of audio per output frame; max_seconds: None where no bound was seen.

    seen: what the published graph is.  report: how the served one compares with it.
    layout: how a stream is cut, None for an encoder of whole utterances.
    """

    model: onnx.ModelProto
    sample_rate: int
    seconds_per_frame: float
    max_seconds: float | None
    seen: str
    report: tuple[str, ...]
    layout: Layout | None = None
