"""Beam search of transducers that remember all tokens: NeMo's RNN-T and TDT, a batch at once.

As sherpa-onnx's modified_beam_search of NeMo's transducers: every hypothesis stands at a frame of
its own. In each round those of an utterance that are furthest behind take their best labels: blank
leads to the next frame, a token stays in its frame; or both jump, as the likeliest of TDT's
durations says, whose probability counts. Of all that there are then, the best go on. A beam of one
is the greedy search.

Other than there, equal tokens at one frame become one hypothesis, their probabilities added, and
<unk> is a token, as it is to the greedy search. What a scorer says of a token counts at once. Best
is the highest score, whatever the length.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode import recurrent
from auricle.serve.decode.fusion import Scorer, end_scores, start_states
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.modified_step import EMPTY, Doubles, Keys, merge
from auricle.serve.decode.recurrent import Floats, Ints, Network, Options
from auricle.serve.decode.recurrent_step import (
    Live,
    Networks,
    Rules,
    Step,
    concatenate,
    nothing_heard,
)
from auricle.serve.decode.token_history import History


@dataclass(frozen=True, eq=False)
class Beam:
    """Where the search of one stream stands: its B hypotheses since the segment's start.

    scores: float64 [B], natural logarithm.  keys: uint64 [B], equal for equal tokens.
    y: int64 [B], the last token, blank before the first.  states: float32 [B, S], before it.
    frames: int64 [B], that each hears next, counted from the frame behind these.
    scorer_states: int64 [B, K].  said: the tokens of each, dated from the segment's start.
    num_frames: of the segment so far.
    """

    scores: Doubles
    keys: Keys
    y: Ints
    states: Floats
    frames: Ints
    scorer_states: Ints
    said: tuple[Hypothesis, ...]
    num_frames: int = 0


def search(  # noqa: PLR0913, PLR0917
    encoder_out: Floats,
    lens: NDArray[np.int32],
    network: Network,
    options: Options,
    beam: int,
    scorer: Scorer | None = None,
    blank_penalty: float = 0.0,
) -> list[list[Hypothesis]]:
    """At most `beam` hypotheses an utterance, best first.

    encoder_out: float32 [N, T, D].  lens: int32 [N], valid frames.  blank_penalty: what blank's
    logit is lowered by.  The log_probs of tokens are the network's alone.
    """
    rules = Rules(options, beam, blank_penalty)
    beams = start(len(lens), options, scorer)
    return finish(_advance(beams, (encoder_out, lens), Networks(network, scorer), rules), scorer)


def start(num_rows: int, options: Options, scorer: Scorer | None = None) -> list[Beam]:
    """Before the first frame of N streams."""
    begun = recurrent.start(num_rows, options)
    states = start_states(scorer, num_rows)
    return [_begin(begun.y[n], begun.states[n], begun.frames[n], states[n])
            for n in range(num_rows)]  # fmt: skip


def continue_search(  # noqa: PLR0913, PLR0917
    encoder_out: Floats,
    beams: Sequence[Beam],
    network: Network,
    options: Options,
    beam: int,
    scorer: Scorer | None = None,
    blank_penalty: float = 0.0,
) -> list[Beam]:
    """Behind the next frames of N streams, all of them valid: encoder_out float32 [N, T, D]."""
    lens = np.full(len(beams), encoder_out.shape[1], np.int32)
    rules = Rules(options, beam, blank_penalty)
    return _advance(beams, (encoder_out, lens), Networks(network, scorer), rules)


def hypotheses(beams: Sequence[Beam]) -> list[list[Hypothesis]]:
    """What each stream has so far, best first, as if more were to come."""
    return [_ranked(each) for each in beams]


def finish(beams: Sequence[Beam], scorer: Scorer | None = None) -> list[list[Hypothesis]]:
    """What segments that end here have, best first; the scorer has the last word."""
    return hypotheses(_end(beams, scorer))


def restart(beams: Sequence[Beam], scorer: Scorer | None = None) -> list[Beam]:
    """Before the next segment of streams whose segment ended: the network remembers the best."""
    states = start_states(scorer, len(beams))
    best = [_rank(each)[0][0] for each in _end(beams, scorer)]
    return [_begin(each.y[n], each.states[n], each.frames[n], state)
            for each, n, state in zip(beams, best, states, strict=True)]  # fmt: skip


def _end(beams: Sequence[Beam], scorer: Scorer | None) -> list[Beam]:
    """With what the scorer says of their end."""
    ended = end_scores(
        scorer, [each.scores for each in beams], [each.scorer_states for each in beams]
    )
    return [replace(each, scores=scores) for each, scores in zip(beams, ended, strict=True)]


def _begin(y: np.int64, state: Floats, frame: np.int64, scorer_state: Ints) -> Beam:
    """One hypothesis of no tokens, behind the token y."""
    return Beam(
        np.zeros(1),
        np.full(1, EMPTY),
        np.array([y]),
        state[None],
        np.array([frame]),
        scorer_state[None],
        (Hypothesis(),),
    )


def _rank(beam: Beam) -> tuple[Ints, Doubles]:
    """Numbers and scores, best first; those that differ by their frames only are one."""
    order = np.argsort(-beam.scores, kind="stable")
    scores = beam.scores[order]
    distinct = merge(scores, beam.keys[order])
    again = distinct[np.argsort(-scores[distinct], kind="stable")]
    return order[again], scores[again]


def _ranked(beam: Beam) -> list[Hypothesis]:
    order, scores = _rank(beam)
    pairs = zip(order.tolist(), scores.tolist(), strict=True)
    return [replace(beam.said[n], score=score) for n, score in pairs]


def _advance(
    beams: Sequence[Beam],
    encoded: tuple[Floats, NDArray[np.int32]],
    networks: Networks,
    rules: Rules,
) -> list[Beam]:
    """Behind the frames [N, T, D] of N streams, of which each has lens [N]."""
    encoder_out, lens = encoded
    if not beams:
        return []
    first = np.array([each.num_frames for each in beams])
    live = _gather(beams)
    heard = nothing_heard(live, rules.options.lookahead)
    roots = [hypothesis for each in beams for hypothesis in each.said]
    history = History(roots, 2 * int(lens.sum()) * rules.beam)
    step = Step(networks, rules, encoder_out, first, history)
    ended: list[Live] = []
    while len(live.rows):
        now = live.first_frames()
        goes_on = now < lens[live.rows]
        if not goes_on.all():
            ended.append(live.take(~goes_on))
            live, heard, now = live.take(goes_on), heard.take(goes_on), now[goes_on]
        if len(live.rows):
            live, heard = step(live, heard, live.frames == now)
    return _scatter(concatenate(ended), history, (first, lens))


def _gather(beams: Sequence[Beam]) -> Live:
    rows = np.repeat(np.arange(len(beams)), [len(each.scores) for each in beams])
    return Live(
        rows=rows,
        scores=np.concatenate([each.scores for each in beams]),
        keys=np.concatenate([each.keys for each in beams]),
        nodes=np.arange(len(rows)),
        frames=np.concatenate([each.frames for each in beams]),
        num_symbols=np.zeros_like(rows),  # no hypothesis has spoken yet in the frame it hears next
        y=np.concatenate([each.y for each in beams]),
        states=np.concatenate([each.states for each in beams]),
        scorer_states=np.concatenate([each.scorer_states for each in beams]),
    )


def _scatter(live: Live, history: History, heard: tuple[Ints, NDArray[np.int32]]) -> list[Beam]:
    """heard: [N], frames of each row's segment before these, and these."""
    said = history.spell(live.nodes)
    before, lens = heard
    ends = np.searchsorted(live.rows, np.arange(len(lens) + 1)).tolist()
    beams = []
    for row, (start, end) in enumerate(itertools.pairwise(ends)):
        rows = slice(start, end)
        beams.append(
            Beam(  # copies, lest one stream keep the arrays of all others in memory
                live.scores[rows].copy(),
                live.keys[rows].copy(),
                live.y[rows].copy(),
                live.states[rows].copy(),
                live.frames[rows] - lens[row],
                live.scorer_states[rows].copy(),
                tuple(said[rows]),
                int(before[row] + lens[row]),
            )
        )
    return beams
