"""Silero's detector of speech -> the graph that is served, checked and measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from auricle.build.export.adapt import CORE, assemble, cast_to
from auricle.build.export.graph import Graph
from auricle.build.export.heads import largest_difference, value_info
from auricle.build.export.parity import say_difference, worst
from auricle.build.export.reference import Waveform
from auricle.build.export.roles import require
from auricle.build.export.sanitize import at_known_opset
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import prefix_names
from auricle.build.export.unfold import unfold_convolutions
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError, ParityError

SAMPLE_RATE = 16000
CONTEXT = 64  # samples in front of a window: silero_vad/sequence_vad.py, RATE_CONFIG
TOLERANCE = 1e-4  # of probabilities; thresholds are hundredths
NUM_WINDOWS = 200


@dataclass(frozen=True)
class Detector:
    """WINDOWS float32 [T, context + window], STATE [2, state_size] -> SPEECH [T], NEW_STATE."""

    model: onnx.ModelProto
    window: int
    context: int
    state_size: int
    seen: str
    report: tuple[str, ...]


def build_detector(graph: Graph, waveforms: Sequence[Waveform]) -> Detector:
    """ParityError if the served graph does not reproduce the original on the waveforms."""
    require(graph, "silero_vad")
    window = graph.inputs[0].size - CONTEXT
    state_size = graph.inputs[1].size
    if window <= CONTEXT:
        raise CheckpointError(f"{graph.path.name} takes windows of {window} samples; is it whole?")
    model = adapt_detector(graph)
    windows = _windows(waveforms, window)
    difference = _difference(Session(graph.model), Session(model), windows, state_size)
    line = (
        f"parity    of the detector to the original, {len(windows)} windows of {window} samples: "
        f"{say_difference(difference)}"
    )
    if not difference <= TOLERANCE:
        raise ParityError(
            f"the adapted graph strays by more than {TOLERANCE:g}\n{line}\nnothing was written; "
            "please report this file"
        )
    return Detector(model, window, CONTEXT, state_size, graph.describe(), (line,))


def adapt_detector(graph: Graph) -> onnx.ModelProto:
    core = at_known_opset(graph, graph.model)
    unfold_convolutions(core.graph)
    prefix_names(core.graph, CORE)
    windows, *states = graph.inputs
    size = states[0].size
    front, back = Nodes("in/"), Nodes("out/")
    cast_to(front, "WINDOWS", windows)
    for row, port in enumerate(states):
        part = front.slice("STATE", row, row + 1, axis=0)
        cast_to(front, front.add("Unsqueeze", part, front.ints([0])), port)
    speech, *new = (CORE + port.name for port in graph.outputs)
    back.name(back.add("Reshape", speech, back.ints([-1])), "SPEECH")
    rows = [back.add("Reshape", name, back.ints([1, size])) for name in new]
    back.name(back.add("Concat", *rows, axis=0), "NEW_STATE")
    state = ("STATE", TensorProto.FLOAT, 2, size)
    return assemble(
        core,
        (front, back),
        [value_info("WINDOWS", TensorProto.FLOAT, "T", windows.size), value_info(*state)],
        [
            value_info("SPEECH", TensorProto.FLOAT, "T"),
            value_info("NEW_STATE", TensorProto.FLOAT, 2, size),
        ],
    )


def _windows(waveforms: Sequence[Waveform], window: int) -> Array:
    samples = np.concatenate([np.zeros(CONTEXT, np.float32), *waveforms])
    every = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT + window)[::window]
    return np.ascontiguousarray(every[:NUM_WINDOWS], np.float32)


def _difference(original: Session, adapted: Session, windows: Array, size: int) -> float:
    """In two runs, the second from the state behind the first."""
    names = original.inputs
    half = len(windows) // 2
    states: list[Array] = [np.zeros((1, 1, size), np.float32)] * 2
    state: Array = np.zeros((2, size), np.float32)
    found = []
    for part in (windows[:half], windows[half:]):
        speech, *states = original.run(dict(zip(names, [part, *states], strict=True))).values()
        outputs = adapted.run({"WINDOWS": part, "STATE": state})
        state = outputs["NEW_STATE"]
        found.append(largest_difference(outputs["SPEECH"], speech.reshape(-1)))
        rows = [largest_difference(state[row], states[row].reshape(size)) for row in range(2)]
        found += rows
    return worst(found)
