"""Transducer greedy search over a whole batch, at most one token a frame, with look-ahead.

The decoder's output changes only when a token is emitted, so one joiner call may score a window of
future frames of every utterance: each takes its first token there and jumps behind it. The result
is that of the search frame by frame; the number of calls falls from the number of frames to about
tokens + frames / window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.emissions import Emissions, collect
from auricle.serve.decode.hypothesis import Hypothesis

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Decoder = Callable[[Ints], Floats]  # y int64 [R, context_size] -> decoder_out [R, J]
Joiner = Callable[[Floats, Floats], Floats]  # encoder_out, decoder_out [R, J] -> logit [R, V]


@dataclass(frozen=True)
class Options:
    """unk_id, where there is one, counts as blank, as in icefall's beam_search.py.

    lookahead: frames of each utterance that one joiner call scores.
    """

    context_size: int
    blank_id: int = 0
    unk_id: int | None = None
    lookahead: int = 4


@dataclass(frozen=True)
class _Networks:
    decoder: Decoder
    joiner: Joiner


def greedy_search(
    encoder_out: Floats, lens: NDArray[np.int32], decoder: Decoder, joiner: Joiner, options: Options
) -> list[Hypothesis]:
    """The first token of each frame's best label, frame by frame, for every utterance at once.

    encoder_out: float32 [N, T, J].  lens: int32 [N], valid frames.
    """
    contexts = initial_contexts(len(lens), options)
    return _search(encoder_out, lens, contexts, _Networks(decoder, joiner), options)


def continue_search(
    encoder_out: Floats, contexts: Ints, decoder: Decoder, joiner: Joiner, options: Options
) -> tuple[list[Hypothesis], Ints]:
    """The same over the next frames of streams, all of them valid.

    encoder_out: float32 [N, T, J].  contexts: int64 [N, context_size], the last tokens of each
    stream.  Returns what these frames add, dated from their first, and the contexts behind them.
    """
    contexts = contexts.copy()
    lens = np.full(len(contexts), encoder_out.shape[1], np.int32)
    found = _search(encoder_out, lens, contexts, _Networks(decoder, joiner), options)
    return found, contexts


def _search(
    encoder_out: Floats,
    lens: NDArray[np.int32],
    contexts: Ints,
    networks: _Networks,
    options: Options,
) -> list[Hypothesis]:
    """Leaves in contexts what stands behind the last frame."""
    decoder_out = networks.decoder(contexts)  # [N, J]
    next_frame = np.zeros(len(lens), dtype=np.int64)
    window = np.arange(options.lookahead)
    emissions: list[Emissions] = []
    while (active := np.flatnonzero(next_frame < lens)).size:
        frames = next_frame[active, None] + window  # [A, W]
        logits = _score(encoder_out, decoder_out, active, frames, networks.joiner)  # [A, W, V]
        best = logits.argmax(axis=2)
        emits = is_token(best, options) & (frames < lens[active, None])
        found = np.flatnonzero(emits.any(axis=1))
        first = emits[found].argmax(axis=1)  # of the window
        next_frame[active] += options.lookahead
        if not found.size:
            continue
        rows, tokens = active[found], best[found, first]
        next_frame[rows] = frames[found, first] + 1
        log_probs = _max_log_prob(logits[found, first])
        emissions.append(Emissions(rows, frames[found, first], tokens, log_probs))
        contexts[rows] = np.concatenate([contexts[rows, 1:], tokens[:, None]], axis=1)
        decoder_out[rows] = networks.decoder(contexts[rows])
    return collect(emissions, len(lens))


def initial_contexts(num_rows: int, options: Options) -> Ints:
    """[-1, ..., -1, blank]: -1 embeds as zeros; what icefall's PyTorch search starts from."""
    contexts = np.full((num_rows, options.context_size), -1, dtype=np.int64)
    contexts[:, -1] = options.blank_id
    return contexts


def _score(
    encoder_out: Floats, decoder_out: Floats, active: Ints, frames: Ints, joiner: Joiner
) -> Floats:
    """Logits [A, W, V] of every frame in the windows [A, W]; those past the end mean nothing."""
    inside = np.minimum(frames, encoder_out.shape[1] - 1)
    windows = encoder_out[active[:, None], inside].reshape(-1, encoder_out.shape[2])
    logits = joiner(windows, np.repeat(decoder_out[active], frames.shape[1], axis=0))
    return logits.reshape(*frames.shape, -1)


def is_token(labels: Ints, options: Options) -> NDArray[np.bool_]:
    is_token: NDArray[np.bool_] = labels != options.blank_id
    return is_token if options.unk_id is None else is_token & (labels != options.unk_id)


def _max_log_prob(logits: Floats) -> Floats:
    """Log-probability of the best label of each row of logits [E, V]."""
    below_best = logits - logits.max(axis=1, keepdims=True)
    log_probs: Floats = -np.log(np.exp(below_best).sum(axis=1))
    return log_probs


class ContextCache:
    """A decoder that computes each context once: a stateless one depends on nothing else.

    Holds at most `capacity` contexts, then starts anew.
    """

    def __init__(self, decoder: Decoder, capacity: int = 8192) -> None:
        self._decoder = decoder
        self._capacity = capacity
        self._known: dict[bytes, Floats] = {}

    def __call__(self, y: Ints) -> Floats:
        keys = [context.tobytes() for context in y]
        known = self._known  # this one, whatever another thread puts in its place
        if not known.keys() >= set(keys):
            known = self._learn(known, y, keys)
        return np.concatenate([known[key] for key in keys]).reshape(len(keys), -1)

    def _learn(
        self, known: dict[bytes, Floats], y: Ints, keys: Sequence[bytes]
    ) -> dict[bytes, Floats]:
        if len(known) + len(keys) > self._capacity:
            known = self._known = {}
        new = {key: row for row, key in enumerate(keys) if key not in known}
        known.update(zip(new, self._decoder(y[list(new.values())]), strict=True))
        return known
