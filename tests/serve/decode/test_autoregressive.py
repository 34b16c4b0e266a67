"""Greedy search against transformers' rules, and its own laws, on a decoder of random numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.decode.autoregressive import (
    DETECT,
    Caches,
    Floats,
    Ints,
    Prompt,
    Rules,
    Written,
    greedy_search,
)

START, ENGLISH, GERMAN, NO_SPEECH, NO_TIMES, END = 10, 11, 12, 13, 14, 9
FIRST_TIME, VOCAB = 15, 40
RULES = Rules(
    max_tokens=30,
    start_id=START,
    end_id=END,
    no_speech_id=NO_SPEECH,
    no_timestamps_id=NO_TIMES,
    language_ids=(ENGLISH, GERMAN),
    suppressed_ids=(START, ENGLISH, GERMAN, NO_SPEECH),
    begin_suppressed_ids=(3, END),
    max_initial_timestamp=4,
)
PLAIN = Prompt((START, ENGLISH, NO_TIMES))


class Network:
    """Logits that depend on the audio of a row and on all its tokens; counts what it computes."""

    def __init__(self, seed: int, num_rows: int) -> None:
        noise = np.random.default_rng(seed)
        self.weights = noise.normal(0, 2, (VOCAB, VOCAB)).astype(np.float32)
        audio = noise.normal(0, 1, (num_rows, VOCAB)).astype(np.float32)
        self.caches: Caches = {"CROSS": audio, "PAST": np.zeros((num_rows, 0), np.int32)}
        self.rows: list[int] = []

    def step(self, tokens: Ints, caches: Caches) -> tuple[Floats, Caches]:
        self.rows.append(len(tokens))
        past = np.concatenate([caches["PAST"], tokens[:, None]], axis=1)
        heard = (np.arange(1, past.shape[1] + 1) * 0.37 % 1).astype(np.float32)
        mixed = (self.weights[past] * heard[None, :, None]).sum(axis=1)
        return mixed + caches["CROSS"], {**caches, "PAST": past}

    def of(self, row: int) -> Caches:
        return {name: values[row : row + 1] for name, values in self.caches.items()}


def reference(network: Network, row: int, prompt: Prompt, rules: Rules) -> list[int]:
    """transformers' processors, one row, one token after the other, nothing cached."""
    torch = pytest.importorskip("torch")
    process = pytest.importorskip("transformers.generation.logits_process")
    from transformers import GenerationConfig

    times = GenerationConfig(
        no_timestamps_token_id=NO_TIMES, eos_token_id=END,
        max_initial_timestamp_index=rules.max_initial_timestamp,
    )  # fmt: skip
    begin = len(prompt.ids)
    processors = [
        process.SuppressTokensAtBeginLogitsProcessor(list(rules.begin_suppressed_ids), begin),
        process.SuppressTokensLogitsProcessor(list(rules.suppressed_ids)),
    ]
    if prompt.timestamps:
        processors.append(process.WhisperTimeStampLogitsProcessor(times, begin))
    ids = list(prompt.ids)
    while len(ids) < rules.max_tokens:
        caches = network.of(row)
        for token in ids:
            logits, caches = network.step(np.array([token], np.int32), caches)
        scores = torch.tensor(logits)
        for processor in processors:
            scores = processor(torch.tensor([ids]), scores)
        token = int(scores.argmax())
        if token == END:
            break
        ids.append(token)
    return ids[begin:]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), timestamps=st.booleans(), extra=st.integers(0, 3))
def test_tokens_are_those_of_transformers_rules(seed: int, timestamps: bool, extra: int) -> None:
    network = Network(seed, 1)
    ids = (*range(extra), START, ENGLISH, *(() if timestamps else (NO_TIMES,)))
    prompt = Prompt(ids, timestamps)
    (found,) = greedy_search([prompt], network.caches, network.step, RULES)
    assert found.ids == reference(network, 0, prompt, RULES)


def search(network: Network, prompts: list[Prompt]) -> list[Written]:
    return greedy_search(prompts, network.caches, network.step, RULES)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), num_rows=st.integers(2, 9))
def test_a_batch_equals_its_singles_whatever_the_prompts(seed: int, num_rows: int) -> None:
    network, noise = Network(seed, num_rows), np.random.default_rng(seed)
    kinds = [
        PLAIN,
        Prompt((START, DETECT, NO_TIMES)),
        Prompt((START, GERMAN), timestamps=True),
        Prompt((1, 2, 3, START, DETECT), timestamps=True),
    ]
    prompts = [kinds[noise.integers(len(kinds))] for _ in range(num_rows)]
    for row, found in enumerate(search(network, prompts)):
        (alone,) = greedy_search([prompts[row]], network.of(row), network.step, RULES)
        assert found.ids == alone.ids
        assert found.language_id == alone.language_id
        np.testing.assert_allclose(found.log_probs, alone.log_probs, atol=1e-5)
        assert found.no_speech == pytest.approx(alone.no_speech, abs=1e-6)


def test_a_language_is_the_best_of_the_languages() -> None:
    network = Network(0, 1)
    logits, _ = network.step(np.array([START], np.int32), network.caches)
    best = (ENGLISH, GERMAN)[int(logits[0, [ENGLISH, GERMAN]].argmax())]
    (found,) = search(network, [Prompt((START, DETECT, NO_TIMES))])
    (told,) = search(network, [Prompt((START, best, NO_TIMES))])
    assert (found.language_id, told.language_id) == (best, None)
    assert found.ids == told.ids


def test_no_speech_is_heard_where_the_transcript_starts() -> None:
    network = Network(1, 1)
    logits, _ = network.step(np.array([START], np.int32), network.caches)
    expected = np.exp(logits[0, NO_SPEECH]) / np.exp(logits[0]).sum()
    (found,) = search(network, [PLAIN])
    assert found.no_speech == pytest.approx(expected, rel=1e-4)


def test_rows_that_have_ended_leave_the_batch() -> None:
    network = Network(7, 12)
    lens = sorted(len(each.ids) for each in search(network, [PLAIN] * 12))
    assert lens == [21, 21, 23, *[27] * 9]
    assert network.rows == [12] * 26 + [9] * 3


def test_a_step_computes_one_token_however_many_there_are() -> None:
    """That is what a cache is for: the network is given one token a row, and its own past."""
    network = Network(3, 2)
    search(network, [PLAIN, PLAIN])
    assert len(network.rows) <= RULES.max_tokens - 1


def test_confidence_is_the_probability_among_what_may_be_written() -> None:
    network = Network(5, 1)
    (found,) = search(network, [PLAIN])
    assert len(found.log_probs) == len(found.ids)
    assert all(log_prob <= 0 for log_prob in found.log_probs)
    free = replace(RULES, suppressed_ids=(), begin_suppressed_ids=())
    logits, caches = network.step(np.array([START], np.int32), network.caches)
    for token in PLAIN.ids[1:]:
        logits, caches = network.step(np.array([token], np.int32), caches)
    (plain,) = greedy_search([PLAIN], network.caches, network.step, free)
    expected = logits[0, plain.ids[0]] - np.log(np.exp(logits[0]).sum())
    assert plain.log_probs[0] == pytest.approx(expected, abs=1e-4)
