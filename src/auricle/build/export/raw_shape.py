"""How many frames a network makes of so many samples, measured on the graph itself."""

from dataclasses import dataclass

import numpy as np

from auricle.build.export.graph import Graph
from auricle.build.export.session import Array, Session
from auricle.errors import CheckpointError

LONGEST_FIRST_FRAME = 16_000  # samples; wav2vec2's convolutions see 400
TRIED = (7_001, 16_000, 24_079)  # samples on which the rule must hold, too


@dataclass(frozen=True)
class Steps:
    """n samples make max(0, (n - first) // step + 1) frames.

    first: samples of the first frame.  step: samples from one frame to the next.
    """

    first: int
    step: int

    def count(self, num_samples: int) -> int:
        return max(0, (num_samples - self.first) // self.step + 1)


def measure_steps(graph: Graph) -> Steps:
    """CheckpointError where frames do not come at equal steps.

    Convolutions without padding do: the floors of a chain of them are one floor.
    """
    session = Session(graph.model)
    if _count(graph, session, LONGEST_FIRST_FRAME) == 0:
        raise CheckpointError(
            f"{graph.path.name} makes no frame of {LONGEST_FIRST_FRAME} samples; seen:\n"
            f"{graph.describe()}"
        )
    first = _shortest(graph, session, 1)
    steps = Steps(first, _shortest(graph, session, 2) - first)
    for num_samples in TRIED:
        found = _count(graph, session, num_samples)
        if found != steps.count(num_samples):
            raise CheckpointError(
                f"{graph.path.name} makes {found} frames of {num_samples} samples, not "
                f"{steps.count(num_samples)}, as the first at {steps.first} and one every "
                f"{steps.step} would be; only convolutions without padding are known here"
            )
    return steps


def raw_inputs(graph: Graph, samples: Array) -> dict[str, Array]:
    """samples: float32 [1, L], all of which count."""
    values: list[Array] = [samples, np.ones(samples.shape, np.int64)]
    return {
        port.name: value.astype(_dtype(port.dtype_name))
        for port, value in zip(graph.inputs, values, strict=False)
    }


def _dtype(name: str) -> str:
    return {"FLOAT": "float32"}.get(name, name.lower())


def _shortest(graph: Graph, session: Session, num_frames: int) -> int:
    """The fewest samples of which so many frames are made."""
    too_few, enough = 0, 2 * LONGEST_FIRST_FRAME
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _count(graph, session, middle) >= num_frames:
            enough = middle
        else:
            too_few = middle
    return enough


def _count(graph: Graph, session: Session, num_samples: int) -> int:
    """Frames of silence; 0 where the graph fails."""
    try:
        values = session.run(raw_inputs(graph, np.zeros((1, num_samples), np.float32)))
    except CheckpointError:
        return 0
    return int(values[graph.outputs[0].name].shape[1])
