from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from auricle.build.export import ceiling
from auricle.build.export.ceiling import Arrangement
from auricle.errors import CheckpointError

RNG = np.random.default_rng(0)
FEATURES = [RNG.standard_normal((frames, 80), np.float32) for frames in (30, 200, 10, 120, 45)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder's interface, and nothing behind it."""
    axes: list[int | str] = ["N", "T", 80]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["x"], ["encoder_out"]),
            helper.make_node("Identity", ["x_lens"], ["encoder_out_lens"]),
        ],
        "encoder",
        [value("x", 1, axes), value("x_lens", 6, ["N"])],
        [value("encoder_out", 1, axes), value("encoder_out_lens", 6, ["N"])],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    path = tmp_path_factory.mktemp("ceiling") / "encoder.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("arrangement", [Arrangement(1, 2, 1), Arrangement(2, 1, 2)])
def test_every_pass_gives_a_throughput(encoder: Path, arrangement: Arrangement) -> None:
    found = ceiling.measure(encoder, FEATURES, arrangement, passes=3)
    assert len(found.throughputs) == 3
    assert min(found.throughputs) > 0
    assert found.throughput == np.median(found.throughputs)


def test_an_encoder_that_fails_ends_the_measurement(encoder: Path) -> None:
    wrong = [each[:, :40] for each in FEATURES]
    with pytest.raises(CheckpointError, match="did not run on features"):
        ceiling.measure(encoder, wrong, Arrangement(2, 1, 1))


def test_batches_hold_all_features_longest_first() -> None:
    batches = ceiling.stack(FEATURES, 2)
    assert [batch.x_lens.tolist() for batch in batches] == [[200, 120], [45, 30], [10]]
    np.testing.assert_array_equal(batches[0].x[1, :120], FEATURES[3])
    assert (batches[0].x[1, 120:] == np.float32(ceiling.LOG_OF_SILENCE)).all()


def test_both_ways_to_use_the_cores_are_tried() -> None:
    tried = {(each.processes, each.threads) for each in ceiling.arrangements(cores=2)}
    assert tried == {(1, 2), (2, 1)}
    assert {(each.processes, each.threads) for each in ceiling.arrangements(1)} == {(1, 1)}
