"""CTC emissions for the tests, from the log-probabilities of all labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.ctc import Emissions

BLANK = 0


def draw_log_probs(
    seed: int, lens: Sequence[int], vocab_size: int, sharpness: float
) -> list[NDArray[np.float32]]:
    """Random log-probabilities [T, V] of each utterance; the sharper, the surer."""
    noise = np.random.default_rng(seed)
    logits = [sharpness * noise.normal(size=(n, vocab_size)) for n in lens]
    return [_log_softmax(each).astype(np.float32) for each in logits]


def emit(utterances: Sequence[NDArray[np.float32]], num_labels: int, padding: int = 0) -> Emissions:
    """What an encoder says of log-probabilities [T, V]: the best labels and the blank.

    padding: frames behind the longest utterance.  What lies behind the end of an utterance is
    no silence, but the likes of what the encoder makes of padded audio.
    """
    num_frames = max(map(len, utterances), default=0) + padding
    vocab_size = utterances[0].shape[1]
    behind = draw_log_probs(len(utterances), [num_frames], vocab_size, sharpness=2)[0]
    log_probs = np.stack([np.concatenate([each, behind[len(each) :]]) for each in utterances])
    ids = np.argsort(-log_probs, axis=2, kind="stable")[..., :num_labels]
    return Emissions(
        ids.astype(np.int32),
        np.take_along_axis(log_probs, ids, axis=2),
        log_probs[..., BLANK],
        np.array([len(each) for each in utterances], np.int32),
        BLANK,
    )


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    log_probs: NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return log_probs
