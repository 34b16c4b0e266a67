"""The adapted graph against the original on real audio, before anything is written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from auricle.build.export.adapt import CtcHead
from auricle.build.export.graph import Graph
from auricle.build.export.reference import Features, Waveform, kaldi_features
from auricle.build.export.sanitize import sanitize
from auricle.build.export.session import Array, Session
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.errors import ParityError

TOLERANCES = {"fp32": 1e-3, "fp16": 5e-2, "int8": 0.5}
SHORT_LENGTHS = range(24, 57)  # frames: every remainder of the 16 by which zipformer pads


@dataclass(frozen=True)
class Encoders:
    """The same network twice: as published, and as it will be served."""

    original: Graph
    adapted: onnx.ModelProto
    options: FbankOptions
    head: CtcHead | None


@dataclass(frozen=True)
class Parity:
    """Largest differences of encoder outputs, relative for values beyond 1.

    repairs: the repaired graph to the original on the same features, unpadded.
    features: the adapted graph on waveforms to the repaired one on kaldi-native-fbank's features,
        both with the padding that the adapted graph adds.
    batch: a batch of unequal lengths to its rows alone.
    """

    repairs: float
    features: float
    batch: float
    seconds: float

    def report(self) -> tuple[str, ...]:
        return (
            f"parity    to the original on kaldi-native-fbank's features, {self.seconds:.1f} s of "
            f"audio, both padded alike: {_say(self.features)}",
            f"repairs   to the original on equal features, {len(SHORT_LENGTHS)} lengths: "
            f"{_say(self.repairs)}",
            f"batching  a batch of unequal lengths to its rows alone: {_say(self.batch)}",
        )


def _say(difference: float) -> str:
    return "equal bit for bit" if difference == 0 else f"largest difference {difference:.2g}"


def check_parity(encoders: Encoders, waveforms: list[Waveform]) -> Parity:
    """ParityError if the adapted graph strays from the original beyond its precision.

    One session at a time: a large encoder's weights fill gigabytes.
    """
    short = list(_short_inputs(encoders, waveforms[0]))
    originals = Session(encoders.original.model).run_all(short)
    repaired = Session(sanitize(encoders.original))
    repairs = zip(repaired.run_all(short), originals, strict=True)
    expected = repaired.run_all(_padded_inputs(encoders, waveform) for waveform in waveforms)
    del repaired
    adapted = Session(encoders.adapted)
    found = adapted.run_all(batch_of([waveform]) for waveform in waveforms)
    features = zip(found, expected, strict=True)
    parity = Parity(
        _worst(_largest(after[name], before[name]) for after, before in repairs for name in before),
        _worst(_difference(encoders, *pair) for pair in features),
        _worst(_batch_differences(adapted, waveforms[0])),
        sum(map(len, waveforms)) / encoders.options.sample_rate,
    )
    tolerance = TOLERANCES[encoders.original.precision]
    judged = [parity.repairs, parity.features]
    if encoders.original.precision != "int8":  # its scales are those of the whole batch
        judged.append(parity.batch)
    if not _worst(judged) <= tolerance:  # also where it is no number
        lines = (f"the adapted graph strays by more than {tolerance:g}", *parity.report())
        raise ParityError("\n".join(lines) + "\nnothing was written; please report this checkpoint")
    return parity


def batch_of(waveforms: list[Waveform]) -> dict[str, Array]:
    """The inputs of an adapted encoder."""
    longest = max(map(len, waveforms))
    return {
        "WAV": np.stack([np.pad(waveform, (0, longest - len(waveform))) for waveform in waveforms]),
        "WAV_LENS": np.array([len(waveform) for waveform in waveforms], dtype=np.int32),
    }


def _original_inputs(original: Graph, features: Features, num_frames: int) -> dict[str, Array]:
    """features: [T, F], of which num_frames are valid."""
    x, x_lens = (onnx.helper.tensor_dtype_to_np_dtype(port.dtype) for port in original.inputs)
    values = (features[None].astype(x), np.array([num_frames], dtype=x_lens))
    return dict(zip((port.name for port in original.inputs), values, strict=True))


def _short_inputs(encoders: Encoders, waveform: Waveform) -> Iterator[dict[str, Array]]:
    features = kaldi_features(waveform, encoders.options)
    for num_frames in SHORT_LENGTHS:
        yield _original_inputs(encoders.original, features[:num_frames], num_frames)


def _padded_inputs(encoders: Encoders, waveform: Waveform) -> dict[str, Array]:
    """Features with the padding that the adapted graph adds."""
    options = encoders.options
    features = kaldi_features(waveform, options)
    padding = ((0, options.tail_frames), (0, 0))
    padded = np.pad(features, padding, constant_values=options.pad_value)
    return _original_inputs(encoders.original, padded, len(features))


def _difference(encoders: Encoders, found: dict[str, Array], expected: dict[str, Array]) -> float:
    frames, lens = (expected[port.name] for port in encoders.original.outputs[:2])
    if found["OUT_LENS"] != lens:
        raise ParityError(
            f"the adapted graph gives {found['OUT_LENS'][0]} frames, the original {lens[0]}; "
            "nothing was written; please report this checkpoint"
        )
    valid = frames[:, : lens[0]].astype(np.float32)
    cut = {name: value[:, : lens[0]] for name, value in found.items() if value.ndim > 1}
    if encoders.head is None:
        return _largest(cut["ENCODER_OUT"], valid)
    return _ctc_difference(cut, valid, encoders.head)


def _ctc_difference(found: dict[str, Array], log_probs: Features, head: CtcHead) -> float:
    ids = found["TOPK_IDS"].astype(np.int64)
    ranked = -np.sort(-log_probs, axis=2)[:, :, : head.num_top]
    return _worst(
        [
            _largest(found["TOPK_LOG_PROBS"], np.take_along_axis(log_probs, ids, axis=2)),
            _largest(found["TOPK_LOG_PROBS"], ranked),
            _largest(found["BLANK_LOG_PROBS"], log_probs[:, :, head.blank_id]),
        ]
    )


def _batch_differences(adapted: Session, waveform: Waveform) -> Iterator[float]:
    """Over the valid frames of rows long and short; the last has less than a frame."""
    length = len(waveform)
    rows = [waveform, waveform[length // 5 :], waveform[: length // 3], waveform[:60]]
    batch = adapted.run(batch_of(rows))
    for number, row in enumerate(rows):
        single = adapted.run(batch_of([row]))
        num_frames = int(single["OUT_LENS"][0])
        for name in single.keys() - {"OUT_LENS", "TOPK_IDS"}:  # the ids follow from the values
            yield _largest(batch[name][number, :num_frames], single[name][0, :num_frames])


def _largest(found: Array, expected: Array) -> float:
    """The largest difference: absolute for values up to 1, relative beyond."""
    return float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(initial=0))


def _worst(differences: Iterable[float]) -> float:
    """The largest, or NaN if one of them is."""
    return float(np.max(list(differences)))
