"""Our prefix beam search against flashlight-text's lexicon-free decoder, on the same posteriors.

flashlight-text keeps a prefix that ends in a blank and the same that ends in a token as two entries
of its beam, and adds up what reaches each. Its score of a hypothesis is the larger of the two: at
most log 2 below ours, and equal where the last frame is surely blank.
"""

from itertools import groupby

import numpy as np
import pytest
from numpy.typing import NDArray

from auricle.serve.decode import prefix_beam
from tests.serve.decode.emissions import BLANK, draw_log_probs, emit

flashlight = pytest.importorskip(
    "flashlight.lib.text.decoder", reason="flashlight-text is not installed"
)

VOCAB_SIZE, BEAM, WIDE = 30, 10, 1000


def draw(seed: int, num_frames: int) -> NDArray[np.float32]:
    """Like speech: every fourth frame has tokens, and the last one surely has none."""
    (log_probs,) = draw_log_probs(seed, [num_frames], VOCAB_SIZE, sharpness=3)
    silence = np.full(VOCAB_SIZE, np.log(1e-4), np.float32)
    silence[BLANK] = np.log1p(-1e-4 * (VOCAB_SIZE - 1))
    log_probs[np.arange(num_frames) % 4 != 0] = silence
    log_probs[-1] = np.where(np.arange(VOCAB_SIZE) == BLANK, 0, -100)
    return log_probs


def search_by_flashlight(log_probs: NDArray[np.float32], beam: int) -> tuple[list[int], float]:
    options = flashlight.LexiconFreeDecoderOptions(
        beam_size=beam,
        beam_size_token=VOCAB_SIZE,
        beam_threshold=1000.0,
        lm_weight=0.0,
        sil_score=0.0,
        log_add=True,
        criterion_type=flashlight.CriterionType.CTC,
    )
    decoder = flashlight.LexiconFreeDecoder(options, flashlight.ZeroLM(), -1, BLANK, [])
    best = decoder.decode(log_probs.ctypes.data, *log_probs.shape)[0]
    return [label for label, _ in groupby(best.tokens) if label not in (BLANK, -1)], best.score


def test_the_best_hypothesis_is_flashlights() -> None:
    utterances = [draw(seed, num_frames=80) for seed in range(50)]
    found = prefix_beam.search(emit(utterances, VOCAB_SIZE), BEAM)
    theirs = [search_by_flashlight(each, BEAM) for each in utterances]
    assert [nbest[0].ids for nbest in found] == [ids for ids, _ in theirs]


def test_the_score_of_a_wide_beam_is_flashlights() -> None:
    """Of 27,000 prefixes and more: what falls out of one of the beams is a ten thousandth."""
    utterances = [draw(seed, num_frames=12) for seed in range(20)]
    found = prefix_beam.search(emit(utterances, VOCAB_SIZE), WIDE)
    theirs = [search_by_flashlight(each, WIDE)[1] for each in utterances]
    assert [nbest[0].score for nbest in found] == pytest.approx(theirs, abs=1e-3)
