"""Greedy search of a decoder that writes one token after the other, over a whole batch.

Every row is at the same place at the same time. A row with a longer prompt hears its own tokens
while others write already, so prompts of any lengths share a batch, and a language that is to be
detected is one more token of a prompt: the best one of the languages. Rows that have ended leave
the batch once they are a quarter of it, since what is left has to be copied.

Rules are those of openai/whisper's decoding.py (SuppressTokens, SuppressBlank, ApplyTimestampRules)
as transformers has them, too: generation/logits_process.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Caches = Mapping[str, Array]  # what an utterance and its tokens left, rows first
# The next token int32 [R] of each row, and caches -> logits float32 [R, V], and caches
Step = Callable[[Ints, Caches], tuple[Floats, Caches]]

DETECT = -1  # in a prompt: the language that the model hears
FREE = -2  # behind a prompt
LEAVING = 0.25  # share of rows that have ended, from which they are taken out


@dataclass(frozen=True)
class Rules:
    """What may be written; ids of tokens.

    timestamps: the ids of times, of which the first is 0.
    """

    max_tokens: int
    start_id: int
    end_id: int
    no_speech_id: int
    no_timestamps_id: int
    language_ids: tuple[int, ...]
    suppressed_ids: tuple[int, ...]
    begin_suppressed_ids: tuple[int, ...]
    max_initial_timestamp: int


@dataclass(frozen=True)
class Prompt:
    """What a row hears before it writes, at least one token; whether it is to write times."""

    ids: tuple[int, ...]
    timestamps: bool = False


@dataclass
class Written:
    """What a row wrote behind its prompt, without the end.

    log_probs: natural logarithms, after the rules.  language_id: as detected.
    no_speech: the probability, where the prompt begins, that nothing is said.
    """

    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    language_id: int | None = None
    no_speech: float = 0.0
    end_log_prob: float = 0.0

    @property
    def mean_log_prob(self) -> float:
        """Of the tokens and the end, as openai/whisper's avg_logprob."""
        return (sum(self.log_probs) + self.end_log_prob) / (len(self.log_probs) + 1)


def greedy_search(
    prompts: Sequence[Prompt], caches: Caches, step: Step, rules: Rules
) -> list[Written]:
    """The most probable token at each place, until every row has ended or is full."""
    search = _Search(prompts, rules)
    rows = np.arange(len(prompts))  # those in the batch
    tokens = np.array([prompt.ids[0] for prompt in prompts], np.int32)
    for place in range(rules.max_tokens - 1):
        logits, caches = step(tokens, caches)
        search.hear_silence(rows, tokens, logits)
        tokens = search.choose(rows, place + 1, logits)
        is_on = ~search.has_ended[rows]
        if not is_on.any():
            break
        if 1 - is_on.mean() >= LEAVING:
            rows, tokens = rows[is_on], tokens[is_on]
            caches = {name: values[is_on] for name, values in caches.items()}
    return search.written


class _Search:
    """What every row has written so far."""

    def __init__(self, prompts: Sequence[Prompt], rules: Rules) -> None:
        self.rules = rules
        self.written = [Written() for _ in prompts]
        self.has_ended = np.zeros(len(prompts), bool)
        self.with_times = np.array([prompt.timestamps for prompt in prompts])
        self.lens = np.array([len(prompt.ids) for prompt in prompts])
        self.prompts = np.full((len(prompts), rules.max_tokens), FREE, np.int32)
        for row, prompt in zip(self.prompts, prompts, strict=True):
            row[: len(prompt.ids)] = prompt.ids

    def hear_silence(self, rows: NDArray[np.intp], tokens: Ints, logits: Floats) -> None:
        """Behind the token that starts a transcript, the model says if there is anything to it."""
        for place in np.flatnonzero(tokens == self.rules.start_id):
            if not self.written[rows[place]].ids:
                probability = np.exp(_log_probs(logits[place])[self.rules.no_speech_id])
                self.written[rows[place]].no_speech = float(probability)

    def choose(self, rows: NDArray[np.intp], place: int, logits: Floats) -> Ints:
        """The tokens [R] at a place: of the prompts, languages, and those that are written."""
        tokens: Ints = self.prompts[rows, place].copy()
        for number in np.flatnonzero(tokens == DETECT):
            tokens[number] = self._detect(rows[number], logits[number])
        writing = np.flatnonzero(tokens == FREE)
        if len(writing):
            tokens[writing] = self._write(rows[writing], place, logits[writing])
        return tokens

    def _detect(self, row: int, logits: Floats) -> int:
        ids = np.array(self.rules.language_ids)
        language_id = int(ids[logits[ids].argmax()])
        self.written[row].language_id = language_id
        return language_id

    def _write(self, rows: NDArray[np.intp], place: int, logits: Floats) -> Ints:
        """Rows that have ended go on ending."""
        allowed = self._rule(rows, place, logits)
        tokens: Ints = allowed.argmax(axis=1).astype(np.int32)
        peaks = allowed[np.arange(len(rows)), tokens]
        log_probs = peaks - _log_sums(allowed)
        for row, token, log_prob in zip(rows, tokens, log_probs, strict=True):
            written = self.written[row]
            if self.has_ended[row]:
                continue
            if token == self.rules.end_id:
                self.has_ended[row] = True
                written.end_log_prob = float(log_prob)
            else:
                written.ids.append(int(token))
                written.log_probs.append(float(log_prob))
        tokens[self.has_ended[rows]] = self.rules.end_id
        return tokens

    def _rule(self, rows: NDArray[np.intp], place: int, logits: Floats) -> Floats:
        """A copy of the logits, in which what may not be written is minus infinity."""
        allowed = logits.copy()
        allowed[:, list(self.rules.suppressed_ids)] = -np.inf
        begins = np.flatnonzero(self.lens[rows] == place)
        if len(begins) and self.rules.begin_suppressed_ids:
            allowed[np.ix_(begins, np.array(self.rules.begin_suppressed_ids))] = -np.inf
        for number in np.flatnonzero(self.with_times[rows]):
            _rule_times(allowed[number], self.written[rows[number]].ids, self.rules)
        return allowed


def _rule_times(logits: Floats, ids: list[int], rules: Rules) -> None:
    """Of one row [V], in place: times stand in pairs but for the first and last, and never fall.

    A time is written where all times together are more probable than any other token.
    """
    first = rules.no_timestamps_id + 1
    logits[rules.no_timestamps_id] = -np.inf
    if not ids:
        logits[:first] = -np.inf
        logits[first + rules.max_initial_timestamp + 1 :] = -np.inf
    elif ids[-1] >= first:
        if len(ids) < 2 or ids[-2] >= first:
            logits[first:] = -np.inf
        else:
            logits[: rules.end_id] = -np.inf
    times = [token_id for token_id in ids if token_id >= first]
    if times:
        closes = ids[-1] >= first and not (len(ids) < 2 or ids[-2] >= first)
        logits[first : times[-1] + (0 if closes else 1)] = -np.inf
    if _log_sums(logits[first:]) > logits[:first].max():
        logits[:first] = -np.inf


def _log_sums(logits: Floats) -> Floats:
    """Logarithms of the sums of exponentials over the last axis; minus infinity of nothing."""
    peaks = logits.max(axis=-1)
    shifts = np.where(np.isfinite(peaks), peaks, np.float32(0))
    with np.errstate(divide="ignore"):
        sums: Floats = np.log(np.exp(logits - shifts[..., None]).sum(axis=-1)) + shifts
    return sums


def _log_probs(logits: Floats) -> Floats:
    """Float32 [V] of one row."""
    log_probs: Floats = logits - _log_sums(logits)
    return log_probs
