"""A served encoder, run at build time."""

from collections.abc import Sequence

import numpy as np
import onnx

from auricle.build.export.adapt import SideInput
from auricle.build.export.reference import Waveform
from auricle.build.export.session import Array, Session


class ServedEncoder:
    """Takes waveforms; what the encoder takes beside them is each side input's example."""

    def __init__(self, model: onnx.ModelProto, side_inputs: Sequence[SideInput] = ()) -> None:
        self._session = Session(model)
        self._side_inputs = side_inputs

    def run(self, waveforms: Sequence[Waveform]) -> dict[str, Array]:
        """Outputs by name, one row a waveform; CheckpointError if the graph does not take them."""
        beside = {side.name: repeat(side.example, len(waveforms)) for side in self._side_inputs}
        return self._session.run(batch_of(waveforms) | beside)


def batch_of(waveforms: Sequence[Waveform]) -> dict[str, Array]:
    """WAV and WAV_LENS, rows padded with zeros."""
    longest = max(map(len, waveforms))
    return {
        "WAV": np.stack([np.pad(waveform, (0, longest - len(waveform))) for waveform in waveforms]),
        "WAV_LENS": np.array([len(waveform) for waveform in waveforms], dtype=np.int32),
    }


def repeat(row: Array, num_rows: int) -> Array:
    rows: Array = np.repeat(row, num_rows, axis=0)  # type: ignore[assignment]  # of row's dtype
    return rows
