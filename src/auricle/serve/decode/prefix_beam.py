"""CTC prefix beam search over a whole batch, frame by frame.

A prefix is a sequence of tokens; its probability is the sum over all alignments that spell it. Each
frame extends every prefix of the beam by the blank and by the frame's best tokens, adds up what
spells the same, and keeps the best: wenet/transformer/search.py. Unlike there, the blank always
counts, and the work of one frame is a few array operations for all utterances and prefixes.

With a scorer, the probability of a prefix is multiplied by what language models and hotwords give
its tokens, once for each of them.

Probabilities are not kept as logarithms but, in float64, as multiples of each utterance's best
prefix: a prefix that is e^650 times less probable than the best counts as impossible.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.ctc import Emissions
from auricle.serve.decode.fusion import Scorer, Sum
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.prefix_frames import Frame, prepare
from auricle.serve.decode.prefix_history import NO_TOKEN, ROOT, History
from auricle.serve.decode.prefix_scoring import UNLIKELY, Moved, Scoring

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

# A prefix's key is a 64-bit polynomial of its tokens: two prefixes of a beam share one by a chance
# of about 2^-64. NO_PREFIX is the key of a slot that is free, NO_PARENT that of nothing at all.
EMPTY = np.uint64(0x9E3779B97F4A7C15)
NO_PREFIX = np.uint64(0x2545F4914F6CDD1D)
NO_PARENT = np.uint64(0xA0761D6478BD642F)
KEY_FACTOR = np.uint64(0xD1342543DE82EF95)
# The best prefix may shrink by half or grow threefold in a frame: 16 leave float64 enough room.
FRAMES_PER_RESCALING = 16
SLACK = 64  # powers of two that the best prefix may be away from 1


def search(emissions: Emissions, beam: int, scorer: Scorer | None = None) -> list[list[Hypothesis]]:
    """At most `beam` hypotheses an utterance, best first, with scores; alignment.align dates them.

    score: log-probability of all alignments that stayed in the beam, and what the scorer adds. The
    `beam` best labels of a frame extend a prefix, with a scorer all that there are. An utterance of
    no frames has the empty hypothesis, score 0.
    """
    order = np.argsort(-emissions.lens, kind="stable")  # those that end first are last
    num_labels = emissions.ids.shape[2]
    frames = prepare(emissions, order, num_labels if scorer else min(beam, num_labels))
    scoring = Scoring(scorer or Sum([]), order)
    beams = _Beams.start(scoring.start(), beam)
    step = _Step(len(order), beam, frames.tokens.shape[2], scoring if scorer else None)
    history = History(len(frames.num_active) * beams.total.size)
    ended: list[_Beams] = []
    for t, num_active in enumerate(frames.num_active):
        if num_active < len(beams.total):
            ended.append(beams.rows(slice(num_active, None)))
            beams = beams.rows(slice(num_active))
        beams = step(beams, frames.at(t, num_active), history)
        if scorer or (t + 1) % FRAMES_PER_RESCALING == 0:
            beams.rescale()
    last = _concatenate([beams, *reversed(ended)])
    if scorer:
        scoring.finish(last.total, last.states)
    found = _hypotheses(last, frames.log_scale(emissions.lens[order]), history)
    return [found[row] for row in np.argsort(order)]


@dataclass
class _Beams:
    """The prefixes of A utterances, in no order; arrays [A, B], but exponent [A, 1].

    ends_in_blank, ends_in_token: probability of the alignments of a prefix that end so, times
        2^-exponent.  total: their sum; 0 where there is no prefix.
    key, parent_key: of the prefix, and of the prefix without its last token.
    node: where its tokens are in the history.  states: where it stands for the scorer, [A, B, S].
    """

    ends_in_blank: Floats
    ends_in_token: Floats
    total: Floats
    key: Keys
    parent_key: Keys
    last_token: NDArray[np.int32]
    node: Ints
    states: Ints
    exponent: NDArray[np.int32]

    @classmethod
    def start(cls, states: Ints, beam: int) -> "_Beams":
        """The empty prefix alone, of probability 1; states: [N, S]."""
        num_rows = len(states)
        shape = (num_rows, beam)
        certain = np.zeros(shape)
        certain[:, 0] = 1
        key = np.full(shape, NO_PREFIX)
        key[:, 0] = EMPTY
        return cls(
            ends_in_blank=certain,
            ends_in_token=np.zeros(shape),
            total=certain.copy(),
            key=key,
            parent_key=np.full(shape, NO_PARENT),
            last_token=np.full(shape, NO_TOKEN, dtype=np.int32),
            node=np.full(shape, ROOT, dtype=np.int64),
            states=np.repeat(states[:, None], beam, axis=1),
            exponent=np.zeros((num_rows, 1), dtype=np.int32),
        )

    def rows(self, rows: slice) -> "_Beams":
        return _Beams(*(array[rows] for array in vars(self).values()))

    def rescale(self) -> None:
        """By powers of two, so that nothing is rounded, and where it is time."""
        _, exponent = np.frexp(self.total.max(axis=1, keepdims=True))
        exponent[abs(exponent) <= SLACK] = 0
        if not exponent.any():
            return
        self.exponent = self.exponent + exponent
        self.ends_in_blank = np.ldexp(self.ends_in_blank, -exponent)
        self.ends_in_token = np.ldexp(self.ends_in_token, -exponent)
        self.total = np.ldexp(self.total, -exponent)


def _concatenate(parts: Sequence[_Beams]) -> _Beams:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return _Beams(*(np.concatenate(column) for column in columns))


class _Step:
    """One frame of the search, with the memory that it works in.

    candidates: [N, B + 1, K + 1], the probability of each prefix, extended by each token. Row B and
        column K stand for the prefix and the token that are not there, so that every look-up has
        an answer: 0. In the end column K holds the prefixes that stay as they are.
    """

    def __init__(self, num_rows: int, beam: int, num_columns: int, scoring: Scoring | None) -> None:
        self.scoring = scoring
        self.moved: Moved | None = None
        self.candidates = np.zeros((num_rows, beam + 1, num_columns))
        self.is_last_token = np.ones((num_rows, beam, num_columns), dtype=np.bool_)
        self.is_parent = np.ones((num_rows, beam, beam + 1), dtype=np.bool_)
        rows = np.arange(num_rows)[:, None]
        self.first_column = rows * num_columns  # of each utterance, in an array [N, K + 1]
        self.first_candidate = rows * (beam + 1) * num_columns
        self.slot_start = self.first_candidate + np.arange(beam) * num_columns
        row, slot, column = np.indices(self.candidates.shape)
        self.slot_of_candidate = row * beam + slot
        self.token_of_candidate = row * num_columns + column

    def __call__(self, beams: _Beams, frame: Frame, history: History) -> _Beams:
        in_blank, in_token = self._extend(beams, frame)
        return self._select(beams, frame, (in_blank, in_token), history)

    def _extend(self, beams: _Beams, frame: Frame) -> tuple[Floats, Floats]:
        """Fill the candidates; returns the probabilities of the prefixes that stay as they are."""
        num_rows, beam = beams.total.shape
        num_columns = frame.tokens.shape[1]
        candidates = self.candidates[:num_rows]
        np.multiply(beams.total[:, :, None], frame.probs[:, None], out=candidates[:, :beam])

        column = self._column_of_last_token(beams, frame)
        prob = frame.probs.take(self.first_column[:num_rows] + column)
        # a repeat is a token of its own only behind a blank
        candidates.put(self.slot_start[:num_rows] + column, beams.ends_in_blank * prob)

        if self.scoring:
            self.moved = self._score(beams, frame, candidates, self.scoring)

        # a prefix of the beam that its parent, also there, spells once more
        parent = self._slot_of_parent(beams)
        again = self.first_candidate[:num_rows] + parent * num_columns + column
        in_blank = beams.total * frame.blank_probs
        in_token = beams.ends_in_token * prob + candidates.take(again)
        candidates.put(again, 0.0)
        np.add(in_blank, in_token, out=candidates[:, :beam, -1])
        return in_blank, in_token

    def _score(self, beams: _Beams, frame: Frame, candidates: Floats, scoring: Scoring) -> Moved:
        lowest = UNLIKELY * beams.total.max(axis=1)  # and the frame's best label has 1
        (likely,) = (candidates > lowest[:, None, None]).ravel().nonzero()
        slots = self.slot_of_candidate.take(likely)
        states = beams.states.reshape(-1, beams.states.shape[2])
        tokens = frame.tokens.take(self.token_of_candidate.take(likely)).astype(np.int64)
        hypotheses = slots // beams.total.shape[1], states.take(slots, axis=0), tokens
        return scoring.advance(candidates, likely, hypotheses)

    def _column_of_last_token(self, beams: _Beams, frame: Frame) -> Ints:
        """Where each prefix's last token stands among the frame's; K where it is not there."""
        found = self.is_last_token[: len(beams.total)]
        np.equal(frame.tokens[:, None, :-1], beams.last_token[:, :, None], out=found[..., :-1])
        column: Ints = found.argmax(axis=2)
        return column

    def _slot_of_parent(self, beams: _Beams) -> Ints:
        """Where each prefix's parent stands in the beam; B where it is not there."""
        found = self.is_parent[: len(beams.total)]
        np.equal(beams.parent_key[:, :, None], beams.key[:, None], out=found[..., :-1])
        slot: Ints = found.argmax(axis=2)
        return slot

    def _select(
        self, beams: _Beams, frame: Frame, stays: tuple[Floats, Floats], history: History
    ) -> _Beams:
        """The best candidates as the next beams."""
        num_rows, beam = beams.total.shape
        candidates = self.candidates[:num_rows, :beam].reshape(num_rows, -1)
        best = candidates.argpartition(-beam, axis=1)[:, -beam:] + self.first_candidate[:num_rows]
        total, source = self.candidates.take(best), self.slot_of_candidate.take(best)
        tokens = frame.tokens.take(self.token_of_candidate.take(best))
        is_new = tokens != NO_TOKEN
        in_blank, in_token = (probs.take(source) for probs in stays)
        states = beams.states
        if self.moved:
            here = states.reshape(-1, states.shape[2]).take(source, axis=0)
            states = self.moved.choose(best, is_new, here)
        node = beams.node.take(source)
        key = beams.key.take(source)
        parent_key = np.where(is_new, key, beams.parent_key.take(source))
        key = np.where(is_new, key * KEY_FACTOR + (tokens + 1).astype(np.uint64), key)
        if not total.all():  # what is no prefix must not pass for one that is
            key[total == 0], parent_key[total == 0] = NO_PREFIX, NO_PARENT
        return _Beams(
            ends_in_blank=np.where(is_new, 0.0, in_blank),
            ends_in_token=np.where(is_new, total, in_token),
            total=total,
            key=key,
            parent_key=parent_key,
            last_token=np.where(is_new, tokens, beams.last_token.take(source)),
            node=np.where(is_new, history.add(node, tokens), node),
            states=states,
            exponent=beams.exponent,
        )


def _hypotheses(beams: _Beams, log_scale: Floats, history: History) -> list[list[Hypothesis]]:
    order = np.argsort(-beams.total, axis=1)
    total = np.take_along_axis(beams.total, order, axis=1)
    tokens = history.spell(np.take_along_axis(beams.node, order, axis=1))  # [N, B, U]
    exists = total > 0
    log_total = np.log(np.where(exists, total, 1.0)) + beams.exponent * np.log(2.0)
    scores = log_total + log_scale[:, None]
    return [
        [
            Hypothesis(ids[ids != NO_TOKEN].tolist(), None, None, score=score)
            for ids, score in zip(tokens[row, found], scores[row, found].tolist(), strict=True)
        ]
        for row, found in enumerate(exists)
    ]
