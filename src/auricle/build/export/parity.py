"""The adapted graph against the original on real audio, before anything is written."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from auricle.build.export.adapt import Recipe, repaired
from auricle.build.export.graph import Graph, Precision
from auricle.build.export.heads import largest_difference
from auricle.build.export.reference import Features, Waveform, reference_features
from auricle.build.export.served import ServedEncoder
from auricle.build.export.session import Array, Session, of_type
from auricle.errors import ParityError

TOLERANCES = {"fp32": 1e-3, "fp16": 5e-2, "bf16": 0.2, "int8": 0.5}
# A batch's sums are taken in another order, so other values fall on the other side of a rounding,
# and every layer carries that on: 0.12 in a log-probability of the demo's Paraformer in fp16.
BATCH_FACTORS = {"fp32": 1.0, "fp16": 5.0, "bf16": 5.0}  # in int8 a batch's scales are all rows'
SHORT_LENGTHS = range(24, 57)  # frames: every remainder of the 16 by which zipformer pads


@dataclass(frozen=True)
class Encoders:
    """The same network twice: as published, and as it will be served."""

    original: Graph
    adapted: onnx.ModelProto
    recipe: Recipe


@dataclass(frozen=True)
class Parity:
    """Largest differences of encoder outputs, relative for values beyond 1.

    repairs: the repaired graph to the original on the same features, unpadded.
    features: the adapted graph on waveforms to the repaired one on the reference's features, both
        with the padding that the adapted graph adds.
    batch: a batch of unequal lengths to its rows alone.
    """

    repairs: float
    features: float
    batch: float
    seconds: float
    reference: str

    def report(self) -> tuple[str, ...]:
        return (
            f"parity    to the original on {self.reference}, {self.seconds:.1f} s of "
            f"audio, both padded alike: {say_difference(self.features)}",
            f"repairs   to the original on equal features, {len(SHORT_LENGTHS)} lengths: "
            f"{say_difference(self.repairs)}",
            f"batching  a batch of unequal lengths to its rows alone: {say_difference(self.batch)}",
        )


@dataclass(frozen=True)
class Strays:
    """original: how far a graph strays from the published one.  batch: a batch from its rows."""

    original: Sequence[float]
    batch: float | None = None

    def judge(self, who: str, precision: Precision, report: Iterable[str]) -> None:
        """ParityError beyond what the precision explains, or where a difference is no number."""
        judged = list(self.original)
        if self.batch is not None and precision in BATCH_FACTORS:
            judged.append(self.batch / BATCH_FACTORS[precision])
        if not worst(judged) <= TOLERANCES[precision]:
            lines = (f"{who} by more than {TOLERANCES[precision]:g}", *report)
            raise ParityError(
                "\n".join(lines) + "\nnothing was written; please report this checkpoint"
            )


def say_difference(difference: float) -> str:
    return "equal bit for bit" if difference == 0 else f"largest difference {difference:.2g}"


def check_parity(encoders: Encoders, waveforms: list[Waveform]) -> Parity:
    """ParityError if the adapted graph strays from the original beyond its precision.

    One session at a time: a large encoder's weights fill gigabytes.
    """
    recipe = encoders.recipe
    short = list(_short_inputs(encoders, waveforms[0]))
    originals = Session(encoders.original.model).run_all(short)
    whole = Session(repaired(encoders.original, recipe))
    repairs = zip(whole.run_all(short), originals, strict=True)
    expected = whole.run_all(
        published_inputs(encoders.original, recipe, waveform) for waveform in waveforms
    )
    del whole
    adapted = ServedEncoder(encoders.adapted, recipe.side_inputs)
    found = [adapted.run([waveform]) for waveform in waveforms]
    outputs = encoders.original.outputs
    parity = Parity(
        worst(
            largest_difference(after[name], before[name])
            for after, before in repairs
            for name in before
        ),
        worst(
            difference
            for served, published in zip(found, expected, strict=True)
            for difference in recipe.head.differences(outputs, served, published)
        ),
        worst(batch_differences(adapted, waveforms[0])),
        sum(map(len, waveforms)) / recipe.frontend.sample_rate,
        recipe.frontend.reference,
    )
    strays = Strays([parity.repairs, parity.features], parity.batch)
    strays.judge("the adapted graph strays", encoders.original.precision, parity.report())
    return parity


def _original_inputs(
    graph: Graph, recipe: Recipe, features: Features, num_frames: int
) -> dict[str, Array]:
    """features: [T, F], of which num_frames are valid."""
    ports = graph.inputs
    values: list[Array] = [features[None], np.array([num_frames])]
    values += [side.example for side in recipe.side_inputs]
    return {port.name: of_type(port, value) for port, value in zip(ports, values, strict=True)}


def _short_inputs(encoders: Encoders, waveform: Waveform) -> Iterator[dict[str, Array]]:
    features = reference_features(waveform, encoders.recipe.frontend)
    for num_frames in SHORT_LENGTHS:
        yield _original_inputs(
            encoders.original, encoders.recipe, features[:num_frames], num_frames
        )


def published_inputs(graph: Graph, recipe: Recipe, waveform: Waveform) -> dict[str, Array]:
    """What the published graph hears: features with the padding that the adapted graph adds."""
    padding = recipe.frontend.padding
    features = reference_features(waveform, recipe.frontend)
    tail = ((0, padding.tail_frames), (0, 0))
    padded = np.pad(features, tail, constant_values=padding.value)
    return _original_inputs(graph, recipe, padded, len(features))


def batch_differences(adapted: ServedEncoder, waveform: Waveform) -> Iterator[float]:
    """Over the valid frames of rows long and short; the last has less than a frame."""
    length = len(waveform)
    rows = [waveform, waveform[length // 5 :], waveform[: length // 3], waveform[:60]]
    batch = adapted.run(rows)
    for number, row in enumerate(rows):
        single = adapted.run([row])
        for name in single.keys() - {"TOPK_IDS", "TOKEN_IDS"}:  # the ids follow from the values
            values = single[name][0]
            valid = slice(_valid_steps(name, single) if values.ndim else None)
            yield largest_difference(
                np.atleast_1d(batch[name][number])[valid], np.atleast_1d(values)[valid]
            )


def _valid_steps(name: str, single: dict[str, Array]) -> int:
    """How much of an output's time axis counts."""
    if name == "CIF_PEAKS":
        return single[name].shape[1]
    return int(single["NUM_TOKENS" if name.startswith("TOKEN_") else "OUT_LENS"][0])


def worst(differences: Iterable[float]) -> float:
    """The largest, or NaN if one of them is."""
    return float(np.max(list(differences)))
