"""A published encoder -> the encoder that is served, checked and measured."""

from dataclasses import dataclass

import onnx

from auricle.build.export.adapt import CtcHead, adapt_encoder
from auricle.build.export.graph import Graph
from auricle.build.export.measure import max_seconds, seconds_per_frame
from auricle.build.export.parity import Encoders, check_parity
from auricle.build.export.reference import Waveform
from auricle.build.export.session import Session
from auricle.build.frontend.kaldi_fbank import FbankOptions


@dataclass(frozen=True)
class Encoder:
    """seconds_per_frame: of audio per output frame; max_seconds: None if a minute runs."""

    model: onnx.ModelProto
    sample_rate: int
    seconds_per_frame: float
    max_seconds: float | None
    report: tuple[str, ...]


def build_encoder(
    graph: Graph,
    options: FbankOptions,
    head: CtcHead | None,
    waveforms: list[Waveform],
) -> Encoder:
    """ParityError if the adapted graph does not reproduce the original on the waveforms."""
    model = adapt_encoder(graph, options, head)
    parity = check_parity(Encoders(graph, model, options, head), waveforms)
    session = Session(model)
    frame = seconds_per_frame(session, options.sample_rate)
    longest = max_seconds(session, options.sample_rate)
    limit = "takes a minute and more" if longest is None else f"takes at most {longest:.2f} s"
    frames = f"frames    {frame * 1000:g} ms each; the graph {limit}"
    report = (*parity.report(), frames)
    return Encoder(model, options.sample_rate, frame, longest, report)
