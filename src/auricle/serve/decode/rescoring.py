"""Attention rescoring: a decoder scores the hypotheses of a first pass, the best one is chosen.

The decoder's graph (wenet/bin/export_onnx_gpu.py) takes a fixed number of hypotheses an utterance
and adds the weighted score of the first pass itself.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis

Floats = NDArray[np.float32]
Inputs = Mapping[str, NDArray[np.generic]]
Score = Callable[[Inputs], Floats]  # the graph's inputs by name -> scores [R, beam]

# Times a weight, and beside a decoder's own score, it stays within float16, which ends at -65504.
LOWEST_CTC_SCORE = -1e4


@dataclass(frozen=True)
class Options:
    """beam: hypotheses of an utterance in one run, no more and no fewer.

    is_bidirectional: whether the graph takes them reversed, too.
    """

    beam: int
    sos_id: int
    eos_id: int
    is_bidirectional: bool


def rescore(
    nbests: Sequence[Sequence[Hypothesis]],
    encoder_out: Floats,
    lens: NDArray[np.int32],
    score: Score,
    options: Options,
) -> list[list[Hypothesis]]:
    """Of each utterance its hypotheses by falling score of the decoder, which becomes their own.

    nbests: at least one hypothesis an utterance, best first, with the first pass's score; those
    beyond options.beam have no chance.  encoder_out: float32 [N, T, D].  lens: int32 [N], frames.
    The only hypothesis of an utterance is not scored, and its score is None.
    """
    ranked = [[dataclasses.replace(nbest[0], score=None)] for nbest in nbests]
    distinct = [_distinct(nbest)[: options.beam] for nbest in nbests]
    doubtful = {row: nbest for row, nbest in enumerate(distinct) if len(nbest) > 1}
    for rows in _group_by_length(doubtful):
        num_frames = lens[rows].max()
        hypotheses = _pack([doubtful[row] for row in rows], options)
        audio = {"encoder_out": encoder_out[rows, :num_frames], "encoder_out_lens": lens[rows]}
        for row, scores in zip(rows, score(audio | hypotheses), strict=True):
            nbest = doubtful[row]
            order = np.argsort(-scores[: len(nbest)], kind="stable")  # behind is no hypothesis
            ranked[row] = [
                dataclasses.replace(nbest[place], score=float(scores[place])) for place in order
            ]
    return ranked


def _distinct(nbest: Sequence[Hypothesis]) -> list[Hypothesis]:
    """The best of those with the same tokens."""
    by_ids: dict[tuple[int, ...], Hypothesis] = {}
    for hypothesis in nbest:
        by_ids.setdefault(tuple(hypothesis.ids), hypothesis)
    return list(by_ids.values())


def _group_by_length(nbests: Mapping[int, Sequence[Hypothesis]]) -> list[list[int]]:
    """Rows of each run, so that no row's longest hypothesis is padded to more than its double."""
    lens = {row: 1 + max(len(each.ids) for each in nbest) for row, nbest in nbests.items()}
    groups: list[list[int]] = []
    for row in sorted(lens, key=lambda row: -lens[row]):
        if groups and 2 * lens[row] >= lens[groups[-1][0]]:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _pack(
    nbests: Sequence[Sequence[Hypothesis]], options: Options
) -> dict[str, NDArray[np.generic]]:
    """The hypotheses of R utterances as the graph takes them; where there is none, an empty one."""
    shape = len(nbests), options.beam
    longest = max(len(each.ids) for nbest in nbests for each in nbest)
    padded = np.full((*shape, longest + 2), options.eos_id, dtype=np.int64)
    padded[..., 0] = options.sos_id
    reverse, lens_sos = padded.copy(), np.ones(shape, dtype=np.int32)
    ctc_score = np.zeros(shape, dtype=np.float32)
    for row, nbest in enumerate(nbests):
        for slot, hypothesis in enumerate(nbest):
            assert hypothesis.score is not None, "a first pass scores its hypotheses"
            end = 1 + len(hypothesis.ids)
            padded[row, slot, 1:end] = hypothesis.ids
            reverse[row, slot, 1:end] = hypothesis.ids[::-1]
            lens_sos[row, slot] = end
            ctc_score[row, slot] = max(hypothesis.score, LOWEST_CTC_SCORE)
    packed: dict[str, NDArray[np.generic]] = {
        "hyps_pad_sos_eos": padded,
        "hyps_lens_sos": lens_sos,
        "ctc_score": ctc_score,
    }
    return packed | ({"r_hyps_pad_sos_eos": reverse} if options.is_bidirectional else {})
