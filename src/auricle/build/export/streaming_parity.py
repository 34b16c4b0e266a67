"""The packed graph against the original over a stream of real audio, before anything is written."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from auricle.build.export.adapt import Recipe
from auricle.build.export.graph import Graph, Precision
from auricle.build.export.heads import largest_difference
from auricle.build.export.parity import Strays, say_difference, worst
from auricle.build.export.reference import Waveform, stream_features
from auricle.build.export.session import Array, Session
from auricle.build.export.states import StreamPorts
from auricle.build.export.streaming import Layout
from auricle.build.export.streaming_original import Original

NUM_CHUNKS = 20
POSITIONS = (0, 1, 4, 9, 19)  # chunks into the stream, of the rows of a batch


@dataclass(frozen=True)
class StreamingEncoders:
    """The same network twice: as published, and as it will be served."""

    original: Graph
    ports: StreamPorts
    adapted: onnx.ModelProto
    recipe: Recipe
    layout: Layout


@dataclass(frozen=True)
class StreamingParity:
    """Largest differences of the outputs, relative for values beyond 1.

    original: over all chunks, to the published graph on kaldi-native-fbank's features.
    batch: of a batch of streams at different positions, to these alone; the states, too.
    """

    original: float
    batch: float
    seconds: float
    reference: str = "kaldi-native-fbank's features"

    def report(self) -> tuple[str, ...]:
        return (
            f"parity    to the original on {self.reference}, {NUM_CHUNKS} chunks, "
            f"{self.seconds:.1f} s of audio: {say_difference(self.original)}",
            f"batching  a batch of streams after {', '.join(map(str, POSITIONS))} chunks to its "
            f"rows alone: {say_difference(self.batch)}",
        )

    def judge(self, precision: Precision) -> None:
        """ParityError beyond what the precision explains."""
        strays = Strays([self.original], self.batch)
        strays.judge("the packed graph strays", precision, self.report())


def check_streaming_parity(
    encoders: StreamingEncoders, waveforms: list[Waveform]
) -> StreamingParity:
    """ParityError if the packed graph strays from the original beyond its precision."""
    stream = take_stream(encoders.layout, waveforms)
    published = _run_original(encoders, stream)
    adapted = Session(encoders.adapted)
    inputs, outputs = run_adapted(encoders.layout, adapted, stream)
    head, ports = encoders.recipe.head, encoders.ports
    layout = encoders.layout
    parity = StreamingParity(
        worst(
            difference
            for found, expected in zip(outputs, published, strict=True)
            for difference in head.differences(ports.outputs, found, expected)
        ),
        worst(batch_differences(adapted, inputs, outputs)),
        (layout.window + (NUM_CHUNKS - 1) * layout.hop) / encoders.recipe.frontend.sample_rate,
        encoders.recipe.frontend.reference,
    )
    parity.judge(encoders.original.precision)
    return parity


def take_stream(layout: Layout, waveforms: list[Waveform]) -> Waveform:
    """Audio for all chunks, repeated where it is short, with a frame more at the end."""
    needed = layout.window + NUM_CHUNKS * layout.hop
    audio = np.concatenate(waveforms)
    return np.resize(audio, needed)


def _run_original(encoders: StreamingEncoders, stream: Waveform) -> list[dict[str, Array]]:
    frontend = encoders.recipe.frontend
    features = stream_features(stream, frontend)
    shift = encoders.layout.hop // frontend.frame_shift
    original = Original(encoders.original, encoders.ports)
    state, found = original.start(), []
    for start in range(0, NUM_CHUNKS * shift, shift):
        outputs, state = original.step(features[start : start + encoders.ports.window], state)
        found.append(outputs)
    return found


def run_adapted(
    layout: Layout, adapted: Session, stream: Waveform
) -> tuple[list[dict[str, Array]], list[dict[str, Array]]]:
    """What went into each run, and what came out."""
    before = np.pad(stream[: layout.reflected][::-1], (layout.silence, 0))
    mirrored = np.concatenate([before, stream])
    state: Array = np.zeros((1, layout.state_size), np.float32)
    inputs, outputs = [], []
    for start in range(0, NUM_CHUNKS * layout.hop, layout.hop):
        chunk = mirrored[start : start + layout.window]
        inputs.append({"CHUNK": chunk[None], "STATE": state})
        outputs.append(adapted.run(inputs[-1]))
        state = outputs[-1]["NEW_STATE"]
    return inputs, outputs


def batch_differences(
    adapted: Session, inputs: list[dict[str, Array]], outputs: list[dict[str, Array]]
) -> Iterator[float]:
    rows = [inputs[position] for position in POSITIONS]
    batch = adapted.run({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    for number, position in enumerate(POSITIONS):
        single = outputs[position]
        for name in single.keys() - {"TOPK_IDS", "TOKEN_IDS"}:  # the ids follow from the values
            yield largest_difference(batch[name][number], single[name][0])
