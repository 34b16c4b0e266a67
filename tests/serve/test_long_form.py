"""Windows of long audio, by a decoder that writes what a script says of the window's start."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from auricle.serve.long_form import MAX_WINDOWS_EACH, LongForm
from auricle.serve.options import DecodingOptions
from auricle.serve.planning import Waveform
from auricle.serve.runner import Tensors
from auricle.serve.tokens import TokenTable
from auricle.spec import Autoregressive, Choices
from tests.conftest import TRANSDUCER_SPEC, FakeRunner

TEXT = ("Ġone", "Ġtwo", "Ġthree", "Ġfour")
END, START, EN, DE, TRANSLATE, TRANSCRIBE, PREVIOUS, NO_SPEECH, NO_TIMES = range(4, 13)
SPECIALS = ("endoftext", "startoftranscript", "en", "de", "translate", "transcribe",
            "startofprev", "nospeech", "notimestamps")  # fmt: skip
SYMBOLS = [*TEXT, *(f"<|{name}|>" for name in SPECIALS), *(f"<|{n / 50:.2f}|>" for n in range(101))]
FACTS = Autoregressive(
    window_seconds=2.0, max_tokens=20, start_id=START, end_id=END, previous_id=PREVIOUS,
    no_speech_id=NO_SPEECH, no_timestamps_id=NO_TIMES, languages={"en": EN, "de": DE},
    tasks={"translate": TRANSLATE, "transcribe": TRANSCRIBE},
    suppressed_ids=[START, EN, DE, TRANSLATE, TRANSCRIBE, PREVIOUS, NO_SPEECH],
    begin_suppressed_ids=[],
)  # fmt: skip
SPEC = replace(
    TRANSDUCER_SPEC, head="autoregressive", seconds_per_frame=0.02, token_kind="gpt2_bpe",
    autoregressive=FACTS,
)  # fmt: skip
RATE, STEP = 16000, 320
PLAIN = DecodingOptions("greedy_search", EN, task=TRANSCRIBE)


def at(seconds: float) -> int:
    """The token of a time."""
    return NO_TIMES + 1 + round(seconds * 50)


class Scribe:
    """Writes scripts[second at which a window starts], and remembers what it was prompted with."""

    def __init__(self, scripts: Mapping[float, Sequence[int]], silent: bool = False) -> None:
        self.scripts = {round(second * 50): list(ids) for second, ids in scripts.items()}
        self.silent = silent
        self.prompts: list[list[int]] = []
        self.starts: list[float] = []
        functions = {"encoder": self.encode, "cross_attention": self.cross, "decoder": self.decode}
        self.runner = FakeRunner(functions)
        self.form = LongForm(SPEC, Choices(), self.runner, TokenTable(SYMBOLS, "gpt2_bpe", 0.02))

    def encode(self, batch: Tensors) -> Tensors:
        """The number of the window's first step, which the audio itself says."""
        firsts = np.asarray(batch["WAV"][:, :1], np.float32)
        self.starts += [float(first) / 50 for first in firsts[:, 0]]
        return {"ENCODER_OUT": firsts[:, :, None]}

    def cross(self, inputs: Tensors) -> Tensors:
        encoder_out = inputs["ENCODER_OUT"]
        return {"CROSS_0": encoder_out, "PAST_0": np.zeros((len(encoder_out), 0), np.int64)}

    def decode(self, inputs: Tensors) -> Tensors:
        past = np.concatenate([inputs["PAST_0"], inputs["TOKENS"][:, None]], axis=1)
        logits = np.zeros((len(past), len(SYMBOLS)), np.float32)
        for row, ids, window in zip(logits, past.tolist(), inputs["CROSS_0"], strict=True):
            row[DE] = 1
            if self.silent and ids[-1] == START:
                row[NO_SPEECH] = 20
            self.write(row, ids, self.scripts[round(float(window[0, 0]))])
        return {"LOGITS": logits, "NEW_PAST_0": past}

    def write(self, row: NDArray[np.float32], ids: list[int], script: list[int]) -> None:
        """Behind a prompt that ends before the first text or time."""
        if START not in ids:
            return
        heard = [each < END or each > NO_TIMES for each in ids]
        prompt = heard.index(True, ids.index(START)) if any(heard[ids.index(START) :]) else len(ids)
        if prompt == len(ids):
            self.prompts.append(ids)
        token = [*script, END][min(len(ids) - prompt, len(script))]
        row[token] = 2 if self.silent else 30


def audio(seconds: float) -> Waveform:
    """Each sample says which step it belongs to."""
    return (np.arange(round(seconds * RATE)) // STEP).astype(np.float32)


def test_a_short_utterance_is_one_window_without_times() -> None:
    scribe = Scribe({0: [0, 1]})
    (found,) = scribe.form.transcribe([audio(1)], [PLAIN])
    assert (found.text, found.parts, found.language) == ("one two", None, "en")
    assert scribe.prompts[-1] == [START, EN, TRANSCRIBE, NO_TIMES]
    assert {token.start for token in found.tokens} == {None}


def test_the_next_window_begins_where_the_last_passage_ended() -> None:
    scribe = Scribe({
        0: [at(0), 0, at(0.6), at(0.6), 1, at(1.3), at(1.3)],
        1.3: [at(0), 2, at(0.5), at(0.5), 3, at(1.2)],
    })  # fmt: skip
    (found,) = scribe.form.transcribe([audio(3.2)], [PLAIN])
    assert scribe.starts == [0, 1.3]
    times = [(each.start, each.end, each.transcript.text) for each in found.parts or ()]
    expected = [(0, 0.6, "one"), (0.6, 1.3, "two"), (1.3, 1.8, "three"), (1.8, 2.5, "four")]
    assert [text for _, _, text in times] == [text for _, _, text in expected]
    for (begin, end, _), (wanted_begin, wanted_end, _) in zip(times, expected, strict=True):
        assert (begin, end) == pytest.approx((wanted_begin, wanted_end))
    assert found.text == "one two three four"
    assert all(NO_TIMES not in prompt for prompt in scribe.prompts)


def test_a_passage_ends_with_the_audio() -> None:
    scribe = Scribe({0: [at(0), 0, at(1.9)]})
    (found,) = scribe.form.transcribe([audio(0.5)], [replace(PLAIN, timestamps=True)])
    assert [(each.start, each.end) for each in found.parts or ()] == [(0, 0.5)]


def test_utterances_of_all_lengths_go_from_window_to_window_together() -> None:
    whole = [at(0), 0, at(2)]
    scribe = Scribe({0: whole, 2: whole, 4: whole})
    rows = [audio(seconds) for seconds in (5, 2, 3.9, 1)]
    together = scribe.form.transcribe(rows, [PLAIN] * 4)
    alone = [scribe.form.transcribe([row], [PLAIN])[0] for row in rows]
    assert together == alone
    graphs = [graph for graph, _ in scribe.runner.asked]
    assert graphs.count("cross_attention") == 3 + (3 + 1 + 2 + 1)


def test_a_prompt_is_heard_in_the_first_window_only() -> None:
    scribe = Scribe({0: [at(0), 0, at(2)], 2: [at(0), 1, at(1)]})
    scribe.form.transcribe([audio(3)], [replace(PLAIN, prompt=(1, 2), language=None)])
    first, second = (max(group, key=len) for group in (scribe.prompts[:3], scribe.prompts[3:]))
    assert first == [PREVIOUS, 1, 2, START, DE, TRANSCRIBE]
    assert second == [START, DE, TRANSCRIBE]


def test_the_language_that_is_heard_first_stays() -> None:
    scribe = Scribe({0: [at(0), 0, at(2)], 2: [at(0), 1, at(1)]})
    (found,) = scribe.form.transcribe([audio(3)], [replace(PLAIN, language=None)])
    assert found.language == "de"


def test_a_prefix_writes_times_where_the_audio_needs_them() -> None:
    prefix = (START, DE, TRANSLATE, NO_TIMES)
    scribe = Scribe({0: [at(0), 0, at(2)], 2: [at(0), 1, at(1)]})
    (found,) = scribe.form.transcribe([audio(3)], [replace(PLAIN, prefix=prefix)])
    assert found.parts
    assert len(found.parts) == 2
    assert found.language == "de"
    assert all(prompt[:3] == list(prefix[:3])[: len(prompt)] for prompt in scribe.prompts)


def test_a_window_in_which_nothing_is_said_has_no_text() -> None:
    script: dict[float, list[int]] = {0: [at(0), 0, at(2)], 2: [at(0), 1, at(1)]}
    (silent,) = Scribe(script, silent=True).form.transcribe([audio(3)], [PLAIN])
    assert (silent.text, silent.parts) == ("", None)
    (loud,) = Scribe(script).form.transcribe([audio(3)], [PLAIN])
    assert loud.text == "one two"


def test_a_decoder_that_hardly_moves_on_comes_to_an_end() -> None:
    step = [at(0), 0, at(0.02), at(0.02)]
    scribe = Scribe({number / 50: step for number in range(200)})
    scribe.form.transcribe([audio(3)], [PLAIN])
    assert len(scribe.starts) <= 2 * MAX_WINDOWS_EACH + 2
