"""How far a reduced encoder is from its float32 self, on speech."""

from collections.abc import Mapping

import numpy as np
import onnx

from auricle.build.export.heads import largest_difference
from auricle.build.export.parity import worst
from auricle.build.export.reference import load_waveforms
from auricle.build.export.served import batch_of
from auricle.build.export.session import Session

ENCODER = "encoder"


def deviation(
    plain: Mapping[str, onnx.ModelProto], reduced: Mapping[str, onnx.ModelProto], sample_rate: int
) -> float | None:
    """The largest difference of the encoders' float outputs on the sentence of the package.

    Relative for values beyond 1. None where they are no encoders of whole utterances, take more
    than a waveform, or disagree on the number of tokens.
    """
    if ENCODER not in plain or _inputs(plain[ENCODER]) != {"WAV", "WAV_LENS"}:
        return None
    batch = batch_of(load_waveforms(None, sample_rate))
    before, after = (Session(models[ENCODER]).run(batch) for models in (plain, reduced))
    names = [name for name, values in before.items() if np.issubdtype(values.dtype, np.floating)]
    if any(before[name].shape != after[name].shape for name in names) or not names:
        return None
    return worst(largest_difference(after[name], before[name]) for name in names)


def _inputs(model: onnx.ModelProto) -> set[str]:
    return {value.name for value in model.graph.input}
