"""One round of the beam search of transducers that remember all tokens, of all utterances at once.

No sum runs over hypotheses of several utterances, so that none depends on its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.fusion import Scorer
from auricle.serve.decode.modified_step import KEY_FACTOR, ROW_FACTOR, Doubles, Keys, merge
from auricle.serve.decode.recurrent import Floats, Ints, Network, Options
from auricle.serve.decode.token_history import History

Bools = NDArray[np.bool_]
FRAME_FACTOR = np.uint64(0xA0761D6478BD642F)  # of keys, as modified_step has others
WAITS = -1  # in place of a label: the hypothesis is ahead of others of its utterance


@dataclass(frozen=True)
class Networks:
    network: Network
    scorer: Scorer | None


@dataclass(frozen=True)
class Rules:
    """beam: hypotheses of an utterance, at most.  blank_penalty: what lowers blank's logit."""

    options: Options
    beam: int
    blank_penalty: float


@dataclass(eq=False)
class Live:
    """R hypotheses, by rising row; arrays [R, ...].

    rows: int64, the utterance of each.  scores: float64, natural logarithm.  keys: of its tokens.
    nodes: of the history.  frames: int64, that it hears next.  num_symbols: int64, its tokens of
    that frame.  y: int64, its last token.  states: float32 [R, S], of the network before y.
    scorer_states: int64 [R, K].
    """

    rows: Ints
    scores: Doubles
    keys: Keys
    nodes: Ints
    frames: Ints
    num_symbols: Ints
    y: Ints
    states: Floats
    scorer_states: Ints

    def take(self, chosen: Ints | Bools) -> "Live":
        return Live(*(array[chosen] for array in vars(self).values()))

    def first_frames(self) -> Ints:
        """Of each hypothesis [R], the frame that its utterance hears next."""
        is_first = np.append(True, self.rows[1:] != self.rows[:-1])
        firsts = np.minimum.reduceat(self.frames, is_first.nonzero()[0])
        frames: Ints = firsts[is_first.cumsum() - 1]
        return frames


def concatenate(parts: Sequence[Live]) -> Live:
    """By rising row; no row is in two parts."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    joined = Live(*(np.concatenate(column) for column in columns))
    return joined.take(np.argsort(joined.rows, kind="stable"))


@dataclass(eq=False)
class Heard:
    """What the network said of R hypotheses, each about a window of W frames.

    begins: int64 [R], the first frame of the window, -W where the network was not asked yet.
    labels: int64 [R, W, B], the best of each frame.  log_probs: float32 [R, W, B].
    jumps: int64 [R, W], and jump_log_probs: float32 [R, W], 0 of RNN-T.
    states: float32 [R, S], behind the last token.
    """

    begins: Ints
    labels: Ints
    log_probs: Floats
    jumps: Ints
    jump_log_probs: Floats
    states: Floats

    def take(self, chosen: Ints | Bools) -> "Heard":
        return Heard(*(array[chosen] for array in vars(self).values()))


def nothing_heard(live: Live, lookahead: int) -> Heard:
    windows = (len(live.rows), lookahead)
    return Heard(
        np.full(len(live.rows), -lookahead),
        np.zeros((*windows, 0), np.int64),
        np.zeros((*windows, 0), np.float32),
        np.zeros(windows, np.int64),
        np.zeros(windows, np.float32),
        np.zeros_like(live.states),
    )


@dataclass(eq=False)
class _Moves:
    """Where hypotheses could go next; arrays [E].

    labels: int64, WAITS where they stay.  log_probs: float64, of the label.  scores: float64, of
    all, the jump too.  is_new: whether the label is a token.
    """

    sources: Ints
    labels: Ints
    log_probs: Doubles
    scores: Doubles
    is_new: Bools
    frames: Ints
    num_symbols: Ints

    def take(self, chosen: Ints) -> "_Moves":
        return _Moves(*(array[chosen] for array in vars(self).values()))


@dataclass(frozen=True)
class Step:
    """encoder_out: float32 [N, T, D].  first: int64 [N], each row's frames before these."""

    networks: Networks
    rules: Rules
    encoder_out: Floats
    first: Ints
    history: History

    def __call__(self, live: Live, heard: Heard, is_next: Bools) -> tuple[Live, Heard]:
        """Behind one label of each hypothesis that is_next [R]; the others wait for them."""
        self._hear(live, heard, is_next)
        moves = self._list(live, heard, is_next)
        new = moves.is_new.nonzero()[0]
        keys, states = live.keys[moves.sources], live.scorer_states[moves.sources]
        keys[new] = keys[new] * KEY_FACTOR + (moves.labels[new] + 1).astype(np.uint64)
        if self.networks.scorer and new.size:
            owners, tokens = live.rows[moves.sources[new]], moves.labels[new]
            added, states[new] = self.networks.scorer.advance(owners, states[new], tokens)
            moves.scores[new] += added
        kept, scores = self._choose(live.rows[moves.sources], moves, keys)
        moved, still = live.take(moves.sources[kept]), heard.take(moves.sources[kept])
        moved.scores, moved.keys, moved.scorer_states = scores, keys[kept], states[kept]
        self._extend(moved, still, moves.take(kept))
        return moved, still

    def _hear(self, live: Live, heard: Heard, is_next: Bools) -> None:
        """Ask the network about the next frames, in place, where it did not say yet."""
        lookahead = self.rules.options.lookahead
        asking = np.flatnonzero(is_next & (live.frames >= heard.begins + lookahead))
        if not asking.size:
            return
        frames = live.frames[asking]
        inside = np.minimum(frames[:, None] + np.arange(lookahead), self.encoder_out.shape[1] - 1)
        encoder_out = self.encoder_out[live.rows[asking, None], inside]  # [A, W, D]
        said = self.networks.network(encoder_out, live.y[asking], live.states[asking])
        labels, log_probs = _best_labels(said.log_probs, self.rules)
        if not heard.labels.size:
            heard.labels = np.zeros((*heard.jumps.shape, labels.shape[2]), np.int64)
            heard.log_probs = np.zeros_like(heard.labels, np.float32)
        heard.begins[asking], heard.states[asking] = frames, said.states
        heard.labels[asking], heard.log_probs[asking] = labels, log_probs
        if said.jumps is not None:
            heard.jumps[asking] = said.jumps
        if said.jump_log_probs is not None:
            heard.jump_log_probs[asking] = said.jump_log_probs

    def _list(self, live: Live, heard: Heard, is_next: Bools) -> _Moves:
        """Every label that the network found among the best of a hypothesis."""
        waits, asked = (~is_next).nonzero()[0], is_next.nonzero()[0]
        at = live.frames[asked] - heard.begins[asked]
        num_labels = heard.labels.shape[2]
        sources = np.concatenate([waits, asked.repeat(num_labels)])
        labels = np.append(np.full(len(waits), WAITS), heard.labels[asked, at])
        log_probs = np.append(np.zeros(len(waits)), heard.log_probs[asked, at])
        jumps = np.append(np.zeros_like(waits), heard.jumps[asked, at].repeat(num_labels))
        scores = live.scores[sources] + log_probs
        scores[len(waits) :] += heard.jump_log_probs[asked, at].repeat(num_labels)
        is_blank = labels == self.rules.options.blank_id
        is_new = ~is_blank & (labels != WAITS)
        num_symbols = live.num_symbols[sources] + is_new
        goes_on = is_blank | (is_new & (num_symbols >= self.rules.options.max_symbols))
        jumps = np.maximum(jumps, goes_on)
        return _Moves(
            sources=sources,
            labels=labels,
            log_probs=log_probs,
            scores=scores,
            is_new=is_new,
            frames=live.frames[sources] + jumps,
            num_symbols=np.where(jumps > 0, 0, num_symbols),
        )

    def _choose(self, rows: Ints, moves: _Moves, keys: Keys) -> tuple[Ints, Doubles]:
        """The best of each utterance, equal tokens at one frame added up, and their scores."""
        order = np.lexsort((-moves.scores, rows))
        scores = moves.scores[order]
        places = keys + rows.astype(np.uint64) * ROW_FACTOR
        places += moves.frames.astype(np.uint64) * FRAME_FACTOR
        distinct = merge(scores, places[order])
        order, scores = order[distinct], scores[distinct]
        again = np.lexsort((-scores, rows[order]))
        ranked = rows[order[again]]
        best = again[np.arange(len(again)) - ranked.searchsorted(ranked) < self.rules.beam]
        return order[best], scores[best]

    def _extend(self, moved: Live, still: Heard, moves: _Moves) -> None:
        """Put hypotheses where their moves [R] lead, in place."""
        said = moves.is_new.nonzero()[0]
        tokens = moves.labels[said]
        times = moved.frames[said] + self.first[moved.rows[said]]
        moved.nodes[said] = self.history.add(
            moved.nodes[said], tokens, times, moves.log_probs[said]
        )
        moved.frames, moved.num_symbols = moves.frames, moves.num_symbols
        moved.y[said], moved.states[said] = tokens, still.states[said]
        still.begins[said] = -self.rules.options.lookahead


def _best_labels(log_probs: Floats, rules: Rules) -> tuple[Ints, Floats]:
    """The best of each frame, [A, W, V] -> [A, W, B], and their log-probabilities."""
    blank_id, penalty = rules.options.blank_id, rules.blank_penalty
    total = np.zeros(1, np.float32)
    if penalty:
        log_probs = log_probs.copy()
        blank = log_probs[..., blank_id, None]
        total = np.log1p(np.exp(blank) * np.expm1(np.float32(-penalty)))  # of all labels then
        log_probs[..., blank_id] -= np.float32(penalty)
    size = log_probs.shape[2]
    if rules.beam == 1:
        labels = log_probs.argmax(axis=2)[..., None]
    elif rules.beam < size:
        labels = log_probs.argpartition(size - rules.beam, axis=2)[..., size - rules.beam :]
    else:
        labels = np.broadcast_to(np.arange(size), log_probs.shape)
    best: Floats = np.take_along_axis(log_probs, labels, axis=2) - total
    return labels, best
