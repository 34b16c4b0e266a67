"""Greedy decoding for measurement: arrays in, token ids out. The server has its own decoders."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Prefix = tuple[int, ...]
BLANK = 0
IMPOSSIBLE = -np.inf  # a log-probability


def ctc_greedy(log_probs: Array, lens: Sequence[int]) -> list[list[int]]:
    """log_probs: [N, T, V]. Best path, repeats collapsed, blanks dropped."""
    hypotheses = []
    for path, length in zip(log_probs.argmax(axis=2), lens, strict=True):
        changed = np.flatnonzero(np.diff(path[:length], prepend=-1))
        hypotheses.append([int(token) for token in path[changed] if token != BLANK])
    return hypotheses


def ctc_prefix_beam(log_probs: Array, beam: int) -> dict[Prefix, float]:
    """log_probs: [T, V] of one utterance. The beam's prefixes, best first, and their scores.

    Slow and plain: each prefix keeps the log-probability of its paths that end in blank and of
    those that do not.
    """
    scores: dict[Prefix, tuple[float, float]] = {(): (0.0, IMPOSSIBLE)}
    for frame in log_probs:
        grown: dict[Prefix, tuple[float, float]] = {}
        best = [(int(index), float(frame[index])) for index in np.argsort(frame)[-beam:]]
        for prefix, (blank, token) in scores.items():
            total = np.logaddexp(blank, token)
            for index, score in best:
                longer = (*prefix, index)
                if index == BLANK:
                    _add(grown, prefix, total + score, IMPOSSIBLE)
                elif prefix[-1:] == (index,):  # the same token goes on, or begins anew after blank
                    _add(grown, prefix, IMPOSSIBLE, token + score)
                    _add(grown, longer, IMPOSSIBLE, blank + score)
                else:
                    _add(grown, longer, IMPOSSIBLE, total + score)
        ranked = sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))
        scores = {prefix: pair for prefix, pair in ranked[:beam] if max(pair) > IMPOSSIBLE}
    return {prefix: float(np.logaddexp(*pair)) for prefix, pair in scores.items()}


def _add(
    scores: dict[Prefix, tuple[float, float]], prefix: Prefix, blank: float, token: float
) -> None:
    before = scores.get(prefix, (IMPOSSIBLE, IMPOSSIBLE))
    scores[prefix] = (
        float(np.logaddexp(before[0], blank)),
        float(np.logaddexp(before[1], token)),
    )


def transducer_greedy(
    encoder_out: Array,
    lens: Sequence[int],
    decoder: Callable[[NDArray[np.int64]], Array],
    joiner: Callable[[Array, Array], Array],
) -> list[list[int]]:
    """encoder_out: [N, T, J]. At most one token per frame, as icefall and sherpa-onnx decode."""
    histories = [[-1, BLANK] for _ in lens]
    decoder_out = decoder(np.array(histories, np.int64))
    for frame in range(max(lens)):
        logits = joiner(encoder_out[:, frame], decoder_out)
        tokens = np.where(np.asarray(lens) > frame, logits.argmax(axis=1), BLANK)
        for history, token in zip(histories, tokens, strict=True):
            if token != BLANK:
                history.append(int(token))
        if tokens.any():
            context = [history[-2:] for history in histories]
            decoder_out = decoder(np.array(context, np.int64))
    return [history[2:] for history in histories]


def attention_greedy(
    next_logits: Callable[[NDArray[np.int64]], Array], num_utterances: int, max_tokens: int
) -> list[list[int]]:
    """next_logits: token ids [N, U], <sos/eos> first, to logits [N, V] of what follows."""
    sos_eos = 1
    tokens = np.full((num_utterances, 1), sos_eos, np.int64)
    finished = np.zeros(num_utterances, bool)
    while not finished.all() and tokens.shape[1] <= max_tokens:
        best = np.where(finished, sos_eos, next_logits(tokens).argmax(axis=1))
        finished |= best == sos_eos
        tokens = np.concatenate([tokens, best[:, None]], axis=1)
    return [[int(token) for token in row[1:] if token != sos_eos] for row in tokens]
