"""What every streaming encoder must hold to."""

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt
import pytest

from auricle.build.export.session import Array, Session
from auricle.build.families import Built
from auricle.spec import Streaming
from tests.families.checkpoints import STREAMING

pytestmark = pytest.mark.onnx

HEAD_OUTPUTS = {
    "transducer": ["ENCODER_OUT"],
    "recurrent_transducer": ["ENCODER_OUT"],
    "ctc": ["TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS"],
    "cif": ["TOKEN_IDS", "TOKEN_LOG_PROBS", "TOKEN_FRAMES", "NUM_TOKENS", "HAS_TAIL"],
    "ctc_attention": ["TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS", "ENCODER_OUT"],
}
COUNTS = ("TOKEN_IDS", "TOKEN_FRAMES", "NUM_TOKENS", "HAS_TAIL")  # which may stay the same
NUM_WINDOWS = 6


@pytest.fixture(scope="module", params=STREAMING)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def encoder(built: Built) -> Session:
    return Session(built.graphs["encoder"])


@pytest.fixture(scope="module")
def streaming(built: Built) -> Streaming:
    assert built.spec.streaming is not None
    return built.spec.streaming


def noise(num_samples: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def windows(streaming: Streaming) -> npt.NDArray[np.float32]:
    samples = noise(streaming.window + (NUM_WINDOWS - 1) * streaming.hop)
    views = np.lib.stride_tricks.sliding_window_view(samples, streaming.window)
    return views[:: streaming.hop]


def run(encoder: Session, streaming: Streaming) -> list[tuple[dict[str, Array], dict[str, Array]]]:
    """What one stream's windows take and give."""
    state: Array = np.zeros((1, streaming.state_size), np.float32)
    steps = []
    for window in windows(streaming):
        inputs: dict[str, Array] = {"CHUNK": window[None], "STATE": state}
        steps.append((inputs, encoder.run(inputs)))
        state = steps[-1][1]["NEW_STATE"]
    return steps


def test_the_encoder_has_the_ports_of_its_head(built: Built) -> None:
    graph = built.graphs["encoder"].graph
    assert [value.name for value in graph.input] == ["CHUNK", "STATE"]
    outputs = [value.name for value in graph.output]
    assert outputs == [*HEAD_OUTPUTS[built.spec.head], "NEW_STATE"]


def test_a_window_is_as_large_as_the_spec_says(
    built: Built, encoder: Session, streaming: Streaming
) -> None:
    _, outputs = run(encoder, streaming)[0]
    assert outputs.pop("NEW_STATE").shape == (1, streaming.state_size)
    if built.spec.head == "cif":  # a token for each frame at most, and one that is open
        assert outputs["TOKEN_IDS"].shape == (1, streaming.num_frames + 1)
    else:
        assert {values.shape[:2] for values in outputs.values()} == {(1, streaming.num_frames)}
    seconds = streaming.hop / built.spec.sample_rate
    assert seconds == pytest.approx(streaming.num_frames * built.spec.seconds_per_frame)


def test_no_audio_lies_between_two_windows(streaming: Streaming) -> None:
    assert 0 < streaming.hop <= streaming.window
    assert all(value is None or value >= 0 for value in dataclasses.astuple(streaming))


def test_every_window_changes_the_state(encoder: Session, streaming: Streaming) -> None:
    states = [inputs["STATE"] for inputs, _ in run(encoder, streaming)]
    assert all((before != after).any() for before, after in itertools.pairwise(states))


def test_what_came_before_is_heard(encoder: Session, streaming: Streaming) -> None:
    inputs, outputs = run(encoder, streaming)[-1]
    fresh = encoder.run(inputs | {"STATE": np.zeros_like(inputs["STATE"])})
    changed = {name for name in outputs if not np.allclose(fresh[name], outputs[name], atol=1e-3)}
    assert changed >= outputs.keys() - {"TOPK_IDS", *COUNTS}


def test_a_batch_equals_its_singles(encoder: Session, streaming: Streaming) -> None:
    """Streams at different positions, the first of them twice."""
    steps = run(encoder, streaming)
    rows = [0, 3, 1, 5, 0]
    taken = [steps[row][0] for row in rows]
    batch = encoder.run({name: np.concatenate([row[name] for row in taken]) for name in taken[0]})
    for index, row in enumerate(rows):
        for name, values in steps[row][1].items():
            # Not bit for bit: the order in which ONNX Runtime sums depends on the batch.
            np.testing.assert_allclose(batch[name][index], values[0], atol=1e-5, err_msg=name)


def test_silence_and_noise_are_numbers(encoder: Session, streaming: Streaming) -> None:
    state = np.zeros((2, streaming.state_size), np.float32)
    chunk = np.stack([np.zeros(streaming.window, np.float32), noise(streaming.window)])
    found = encoder.run({"CHUNK": chunk, "STATE": state})
    assert all(np.isfinite(values).all() for values in found.values())
