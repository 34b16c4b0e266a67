"""Which rows share a run of the encoder, and their arrays before and after it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auricle.serve.options import DecodingOptions, HotwordIds
from auricle.serve.runner import Array, Tensors
from auricle.spec import Choices, Decoding

Waveform = NDArray[np.float32]  # [num_samples], in [-1, 1]


def group(options: Sequence[DecodingOptions]) -> list[list[int]]:
    """The rows that may share a run and a search, by what they ask for."""
    groups: dict[tuple[Decoding, HotwordIds, int, float], list[int]] = {}
    for row, asked in enumerate(options):
        beam = asked.beam
        key = asked.decoding, asked.hotwords, beam.width, beam.blank_penalty
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def plan_sub_batches(lens: Sequence[int], choices: Choices, sample_rate: int) -> list[list[int]]:
    """Rows of each sub-batch, longest first, so that padding stays under the bounds of choices."""
    max_samples = choices.max_batch_seconds * sample_rate
    plan: list[list[int]] = []
    for row in sorted(range(len(lens)), key=lambda row: -lens[row]):
        rows = plan[-1] if plan else []
        longest = lens[rows[0]] if rows else 0
        padded = longest * (len(rows) + 1)
        valid = sum(lens[other] for other in rows) + lens[row]
        fits = len(rows) < choices.max_sub_batch and padded <= max_samples
        if rows and fits and padded - valid <= choices.max_padding * padded:
            rows.append(row)
        else:
            plan.append([row])
    return plan


def pad(waveforms: Sequence[Waveform], width: int = 0) -> dict[str, Array]:
    """WAV float32 [N, L] and WAV_LENS int32 [N]; what lies behind a length is never read.

    width: L, if the longest waveform is shorter.
    """
    lens = np.array([len(waveform) for waveform in waveforms], dtype=np.int32)
    wav = np.zeros((len(waveforms), max(width, lens.max())), dtype=np.float32)
    for row, waveform in zip(wav, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return {"WAV": wav, "WAV_LENS": lens}


def bucket_width(longest: int, bucket_seconds: float, max_seconds: float, sample_rate: int) -> int:
    """Samples of a whole number of buckets, but no more than the model takes."""
    bucket = round(bucket_seconds * sample_rate)
    if not bucket:
        return longest
    rounded = -(-longest // bucket) * bucket
    return int(min(rounded, max_seconds * sample_rate))


def stack(outputs: Sequence[Tensors]) -> Tensors:
    """The rows of all sub-batches in one batch; time axes padded with zeros to the longest."""
    if len(outputs) == 1:
        return outputs[0]
    return {name: _stack([tensors[name] for tensors in outputs]) for name in outputs[0]}


def _stack(arrays: Sequence[Array]) -> Array:
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    num_rows = sum(len(array) for array in arrays)
    num_frames = max(array.shape[1] for array in arrays)
    stacked = np.zeros((num_rows, num_frames, *arrays[0].shape[2:]), dtype=arrays[0].dtype)
    row = 0
    for array in arrays:
        stacked[row : row + len(array), : array.shape[1]] = array
        row += len(array)
    return stacked
