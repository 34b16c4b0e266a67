"""WeNet's decoder as a graph of scores: the formula, worked out hypothesis by hypothesis."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from auricle.build.export.graph import Graph, load_graph
from auricle.build.export.rescorer import adapt_rescorer, check_rescorer, read_facts
from auricle.build.export.session import Array, Session
from auricle.errors import CheckpointError, ParityError

pytestmark = pytest.mark.onnx

DECODER = Path(__file__).parents[2] / "assets" / "wenet-u2" / "decoder.onnx"
VOCAB_SIZE, SOS_EOS = 160, 2


@pytest.fixture(scope="module")
def graph() -> Graph:
    return load_graph(DECODER)


@pytest.fixture(scope="module")
def adapted(graph: Graph) -> onnx.ModelProto:
    return adapt_rescorer(graph)


def inputs_of(hyps: list[list[int]], num_frames: int = 40) -> dict[str, Array]:
    """One utterance of noise with ten hypotheses."""
    rng = np.random.default_rng(1)
    width = max(map(len, hyps)) + 2
    forward, backward = (np.full((1, 10, width), SOS_EOS) for _ in range(2))
    for row, hyp in enumerate(hyps):
        forward[0, row, 1 : 1 + len(hyp)] = hyp
        backward[0, row, 1 : 1 + len(hyp)] = hyp[::-1]
    return {
        "encoder_out": rng.normal(0, 1, (1, num_frames, 144)).astype(np.float32),
        "encoder_out_lens": np.array([num_frames], np.int32),
        "hyps_pad_sos_eos": forward,
        "hyps_lens_sos": np.array([[len(hyp) + 1 for hyp in hyps]], np.int32),
        "r_hyps_pad_sos_eos": backward,
        "ctc_score": rng.normal(-5, 2, (1, 10)).astype(np.float32),
    }


HYPS = [list(range(3, 3 + n)) for n in (5, 4, 6, 1, 0, 3, 2, 8, 7, 5)]


def test_facts_are_read_from_the_graph(graph: Graph) -> None:
    facts = read_facts(graph)
    assert (facts.beam, facts.is_bidirectional) == (10, True)


def test_the_best_score_is_the_published_choice(graph: Graph, adapted: onnx.ModelProto) -> None:
    inputs = inputs_of(HYPS)
    scores = Session(adapted).run(inputs)["scores"]
    assert scores.shape == (1, 10)
    assert Session(graph.model).run(inputs)["best_index"] == scores.argmax(axis=1)
    assert "chooses as the original" in check_rescorer(graph, adapted, VOCAB_SIZE)


def test_a_hypothesis_scores_the_same_beside_any_others(adapted: onnx.ModelProto) -> None:
    session = Session(adapted)
    scores = session.run(inputs_of(HYPS))["scores"][0]
    for row in (0, 4, 7):
        others = [HYPS[row] if i == row else [9] * (i + 1) for i in range(10)]
        assert session.run(inputs_of(others))["scores"][0, row] == pytest.approx(
            scores[row], abs=1e-4
        )


def test_the_ctc_score_counts_with_its_weight(adapted: onnx.ModelProto) -> None:
    session, inputs = Session(adapted), inputs_of(HYPS)
    before = session.run(inputs)["scores"]
    after = session.run(inputs | {"ctc_score": inputs["ctc_score"] + np.float32(1)})["scores"]
    np.testing.assert_allclose(after - before, 0.5, atol=1e-4)  # ctc_weight of train.yaml


def test_float16_inside_and_outside_takes_and_gives_float32(graph: Graph, tmp_path: Path) -> None:
    onnx.save(convert_float_to_float16(graph.model), tmp_path / "decoder_fp16.onnx")
    halved = load_graph(tmp_path / "decoder_fp16.onnx")
    adapted = adapt_rescorer(halved)
    scores = Session(adapted).run(inputs_of(HYPS))["scores"]
    assert scores.dtype == np.float32
    assert "chooses as the original" in check_rescorer(halved, adapted, VOCAB_SIZE)
    plain = Session(adapt_rescorer(graph)).run(inputs_of(HYPS))["scores"]
    np.testing.assert_allclose(scores, plain, rtol=2e-2)


def test_a_decoder_that_reads_forwards_only_takes_no_reversed_hypotheses(
    graph: Graph, tmp_path: Path
) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    reversed_hyps = next(i for i in model.graph.input if i.name == "r_hyps_pad_sos_eos")
    model.graph.input.remove(reversed_hyps)
    for node in model.graph.node:  # as if both directions read the same
        node.input[:] = [
            "hyps_pad_sos_eos" if name == "r_hyps_pad_sos_eos" else name for name in node.input
        ]
    onnx.save(model, tmp_path / "decoder.onnx")
    forward = load_graph(tmp_path / "decoder.onnx")
    assert not read_facts(forward).is_bidirectional
    adapted = adapt_rescorer(forward)
    names = [value.name for value in adapted.graph.input]
    assert "r_hyps_pad_sos_eos" not in names
    check_rescorer(forward, adapted, VOCAB_SIZE)


def test_a_decoder_that_chooses_otherwise_is_refused(tmp_path: Path) -> None:
    model = onnx.load(DECODER)
    model.graph.output[0].name = "other"
    model.graph.node.append(helper.make_node("Neg", ["best_index"], ["other"]))
    onnx.save(model, tmp_path / "decoder.onnx")
    with pytest.raises(CheckpointError, match="does not choose its other by ArgMax"):
        adapt_rescorer(load_graph(tmp_path / "decoder.onnx"))


def test_a_beam_that_is_not_stated_is_refused(graph: Graph, tmp_path: Path) -> None:
    model = onnx.load(DECODER)
    model.graph.input[2].type.tensor_type.shape.dim[1].dim_param = "beam"
    onnx.save(model, tmp_path / "decoder.onnx")
    with pytest.raises(CheckpointError, match="does not state how many hypotheses"):
        read_facts(load_graph(tmp_path / "decoder.onnx"))


def test_other_scores_are_found_out(graph: Graph, adapted: onnx.ModelProto) -> None:
    wrong = onnx.ModelProto()
    wrong.CopyFrom(adapted)
    wrong.graph.output[0].name = "negative"
    wrong.graph.node.append(helper.make_node("Neg", ["scores"], ["negative"]))
    wrong.graph.node.append(helper.make_node("Identity", ["negative"], ["result"]))
    del wrong.graph.output[:]
    for node in wrong.graph.node:
        node.output[:] = ["raw" if name == "scores" else name for name in node.output]
        node.input[:] = ["raw" if name == "scores" else name for name in node.input]
    wrong.graph.node[-1].output[0] = "scores"
    wrong.graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", 10]))
    with pytest.raises(ParityError, match="nothing was written"):
        check_rescorer(graph, wrong, VOCAB_SIZE)
