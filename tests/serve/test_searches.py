"""What reaches each search of the encoder's outputs, and what comes back of it."""

import dataclasses

import numpy as np
import pytest

from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.options import BeamOptions
from auricle.serve.runner import Tensors
from auricle.serve.scorers import Scorers
from auricle.serve.searches import Parts, create_searches
from auricle.spec import Choices, Decoding, PipelineSpec, Rescorer
from tests.conftest import TRANSDUCER_SPEC, FakeRunner

CTC = dataclasses.replace(TRANSDUCER_SPEC, head="ctc")
WENET = dataclasses.replace(
    TRANSDUCER_SPEC, head="ctc_attention", rescorer=Rescorer(4, 5, 5, is_bidirectional=True)
)
CIF = dataclasses.replace(TRANSDUCER_SPEC, head="cif", num_end_tokens=1, has_timestamps=True)
# Two utterances of three frames and one; tokens 1 and 3 are nearly as likely as each other.
PROBS = np.array(
    [
        [[0.1, 0.5, 0.0, 0.4], [0.8, 0.1, 0.1, 0.0], [0.1, 0.0, 0.9, 0.0]],
        [[0.2, 0.0, 0.8, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]],
    ],
    np.float32,
)
LENS = np.array([3, 1], np.int32)


def ctc_outputs() -> Tensors:
    log_probs = np.log(np.maximum(PROBS, 1e-6))
    ids = np.argsort(-log_probs, axis=2, kind="stable")[..., :3]
    return {
        "TOPK_IDS": ids.astype(np.int32),
        "TOPK_LOG_PROBS": np.take_along_axis(log_probs, ids, axis=2),
        "BLANK_LOG_PROBS": log_probs[..., 0],
        "ENCODER_OUT": PROBS,
        "OUT_LENS": LENS,
    }


def prefer_three(batch: Tensors) -> Tensors:
    """A rescorer to which token 3 is worth more than all else, in both directions."""
    assert sorted(batch) == [
        "ctc_score", "encoder_out", "encoder_out_lens", "hyps_lens_sos", "hyps_pad_sos_eos",
        "r_hyps_pad_sos_eos",
    ]  # fmt: skip
    scores = (batch["hyps_pad_sos_eos"] == 3).sum(axis=2) + (batch["r_hyps_pad_sos_eos"] == 3).sum(
        axis=2
    )
    return {"scores": scores.astype(np.float32)}


def search(
    spec: PipelineSpec, decoding: Decoding, outputs: Tensors, runner: FakeRunner | None = None
) -> list[Hypothesis]:
    choices = Choices(beam=4, decoding=decoding)
    parts = Parts(spec, choices, runner or FakeRunner({}), Scorers())
    asked = [BeamOptions(width=4)] * len(outputs["OUT_LENS"])
    return [nbest[0] for nbest in create_searches(parts)[decoding](outputs, asked)]


@pytest.mark.parametrize("spec", [CTC, WENET], ids=["ctc", "ctc_attention"])
@pytest.mark.parametrize("decoding", ["greedy_search", "prefix_beam_search"])
def test_ctc_finds_the_likeliest_tokens(spec: PipelineSpec, decoding: Decoding) -> None:
    first, second = search(spec, decoding, ctc_outputs())
    assert (first.ids, first.frames) == ([1, 2], [0, 2])
    assert (second.ids, second.frames) == ([2], [0])
    assert first.log_probs == pytest.approx(np.log([0.5, 0.9]), abs=1e-6)


def test_rescoring_may_choose_another_hypothesis_and_dates_it() -> None:
    runner = FakeRunner({"rescorer": prefer_three})
    first, second = search(WENET, "attention_rescoring", ctc_outputs(), runner)
    assert (first.ids, first.frames, first.score) == ([3, 2], [0, 2], 2)
    assert first.log_probs == pytest.approx(np.log([0.4, 0.9]), abs=1e-6)
    assert second.ids == [2]


@pytest.mark.parametrize("decoding", ["prefix_beam_search", "attention_rescoring"])
def test_a_plain_row_is_searched_beside_hotwords_as_alone(decoding: Decoding) -> None:
    runner = FakeRunner({"rescorer": prefer_three})
    choices = Choices(beam=2, decoding=decoding)
    found = create_searches(Parts(WENET, choices, runner, Scorers()))[decoding]
    plain, biased = BeamOptions(2), BeamOptions(2, hotwords=ContextGraph([[1, 3]], [2.0]))
    outputs = ctc_outputs()
    assert found(outputs, [plain, biased])[0] == found(outputs, [plain, plain])[0]
    assert found(outputs, [biased, plain])[1] == found(outputs, [plain, plain])[1]
    assert found(outputs, [biased, plain])[0] == found(outputs, [biased, biased])[0]


@pytest.mark.parametrize("has_timestamps", [False, True])
def test_cif_reads_tokens_and_their_times_where_there_are_any(has_timestamps: bool) -> None:
    peaks = np.zeros((1, 12), np.float32)
    peaks[0, [2, 5, 8]] = 1
    outputs = {
        "TOKEN_IDS": np.array([[7, 9, 2, 4]], np.int32),
        "TOKEN_LOG_PROBS": np.array([[-0.1, -0.2, -0.3, -0.4]], np.float32),
        "NUM_TOKENS": np.array([3], np.int32),
        "OUT_LENS": np.array([4], np.int32),
        "CIF_PEAKS": peaks,
    }
    spec = dataclasses.replace(CIF, has_timestamps=has_timestamps)
    (found,) = search(spec, "greedy_search", outputs)
    assert found.ids == [7, 9]
    assert found.log_probs == pytest.approx([-0.1, -0.2])
    assert (found.frames is not None) == has_timestamps


def test_a_transducer_asks_its_decoder_and_joiner() -> None:
    runner = FakeRunner(
        {
            "decoder": lambda batch: {"decoder_out": np.zeros((len(batch["y"]), 1), np.float32)},
            "joiner": lambda batch: {"logit": batch["encoder_out"]},
        }
    )
    outputs = {"ENCODER_OUT": np.eye(4, dtype=np.float32)[[[1, 0, 3]]], "OUT_LENS": LENS[:1]}
    (found,) = search(TRANSDUCER_SPEC, "greedy_search", outputs, runner)
    assert (found.ids, found.frames) == ([1, 3], [0, 2])
