"""What FunASR's exports get wrong in batches, and that the repair keeps what they get right."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from auricle.build.export import cif
from auricle.build.export.graph import Graph, load_graph
from auricle.build.export.sanitize import sanitize
from auricle.build.export.session import Array, Session
from auricle.errors import CheckpointError

pytestmark = pytest.mark.onnx

DATA = Path(__file__).parents[1] / "data" / "paraformer"
KINDS = ("bicif", "contextual", "seaco")


def read(kind: str) -> Graph:
    return load_graph(DATA / kind / "model.onnx")


@pytest.fixture(scope="module", params=KINDS)
def graph(request: pytest.FixtureRequest) -> Graph:
    return read(request.param)


@pytest.fixture(scope="module")
def repaired(graph: Graph) -> Session:
    model = sanitize(graph)
    cif.repair(model.graph, "speech_lengths", "token_num")
    onnx.checker.check_model(model, full_check=True)
    return Session(model)


@pytest.fixture(scope="module")
def original(graph: Graph) -> Session:
    return Session(graph.model)


def speech(num_frames: int, scale: float = 1.0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(num_frames)
    return (scale * rng.normal(0, 1, (num_frames, 560))).astype(np.float32)


def batch(graph: Graph, rows: list[npt.NDArray[np.float32]], width: int = 0) -> dict[str, Array]:
    """Rows padded with noise, which must not matter."""
    longest = max(width, *(len(row) for row in rows))
    padded = np.stack([speech(longest, 3.0)] * len(rows))
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    inputs: dict[str, Array] = {
        "speech": padded,
        "speech_lengths": np.array([len(row) for row in rows], np.int32),
    }
    for port in graph.inputs[2:]:
        hotwords = np.random.default_rng(0).normal(0, 1, (1, 3, port.size)).astype(np.float32)
        inputs[port.name] = np.repeat(hotwords, len(rows), axis=0)
    return inputs


@pytest.mark.parametrize("num_frames", [5, 17, 40])
def test_one_utterance_is_as_the_original_has_it(
    num_frames: int, graph: Graph, original: Session, repaired: Session
) -> None:
    inputs = batch(graph, [speech(num_frames)])
    expected, found = original.run(inputs), repaired.run(inputs)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_rows_of_a_batch_are_as_the_original_has_them_alone(
    graph: Graph, original: Session, repaired: Session
) -> None:
    rows = [speech(n) for n in (40, 23, 11, 37)]
    together = repaired.run(batch(graph, rows, width=51))
    for index, row in enumerate(rows):
        alone = original.run(batch(graph, [row]))
        num_tokens = alone["token_num"][0]
        assert together["token_num"][index] == num_tokens
        np.testing.assert_allclose(
            together["logits"][index, :num_tokens], alone["logits"][0], atol=1e-5
        )
        if "us_cif_peak" in alone:
            peaks = together["us_cif_peak"][index, : 3 * len(row)]
            np.testing.assert_allclose(peaks, alone["us_cif_peak"][0], atol=1e-4)


@pytest.mark.parametrize("kind", ["bicif", "seaco"])
def test_the_original_lets_padding_into_timestamps(kind: str) -> None:
    """If this fails, FunASR has mended it, and the repair can go."""
    graph = read(kind)
    session = Session(graph.model)
    rows = [speech(40), speech(23)]
    together, alone = session.run(batch(graph, rows)), session.run(batch(graph, rows[1:]))
    difference = together["us_cif_peak"][1, : 3 * 23] - alone["us_cif_peak"][0]
    assert np.abs(difference).max() > 1e-3


def test_the_original_fails_where_one_row_says_nothing(graph: Graph, original: Session) -> None:
    """If this fails, FunASR has mended it, and the repair can go."""
    with pytest.raises(CheckpointError, match="the graph fails"):
        original.run(batch(graph, [speech(40), speech(0)]))


def test_a_row_that_says_nothing_harms_no_other(graph: Graph, repaired: Session) -> None:
    rows = [speech(40), speech(1), speech(0)]
    found = repaired.run(batch(graph, rows))
    alone = repaired.run(batch(graph, rows[:1]))
    assert found["token_num"].tolist() == [alone["token_num"][0], *found["token_num"][1:]]
    assert found["token_num"][2] == 0
    np.testing.assert_array_equal(found["logits"][0, : alone["token_num"][0]], alone["logits"][0])


@pytest.mark.parametrize("num_rows", [1, 3])
def test_a_batch_that_says_nothing_runs(num_rows: int, graph: Graph, repaired: Session) -> None:
    found = repaired.run(batch(graph, [speech(0)] * num_rows, width=4))
    assert found["token_num"].tolist() == [0] * num_rows


def test_what_predicts_no_tokens_is_refused() -> None:
    graph = read("bicif")
    model = sanitize(graph)
    with pytest.raises(CheckpointError, match="us_alphas is no sum of weights"):
        cif.repair(model.graph, "speech_lengths", "us_alphas")
