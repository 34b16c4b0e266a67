"""Audio of any length by a model that hears it in windows and writes token by token.

Each window begins where the passages of the one before ended, as in openai/whisper. The utterances
of a batch go from window to window together, whatever their lengths.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from auricle.serve.decode import windows
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
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.options import DecodingOptions
from auricle.serve.planning import Waveform, pad, plan_sub_batches, stack
from auricle.serve.runner import Runner
from auricle.serve.tokens import Part, TokenTable, Transcript
from auricle.spec import Autoregressive, Choices, PipelineSpec

# Rows that write at the same time: what a row of whisper-base hears has 37 MB, of large 490 MB.
MAX_ROWS = 8
# openai/whisper, transcribe.py: a window in which nothing is said has no text.
NO_SPEECH, MEAN_LOG_PROB = 0.6, -1.0
MIN_SAMPLES = 160  # a frame of features: what is shorter is no window of its own
MAX_WINDOWS_EACH = 10  # of a window's audio; a model that goes on by 20 ms is out of its mind


@dataclass
class Progress:
    """How far an utterance is recognised.

    with_times: whether times are written, as asked or because there are several windows.
    start: of the next window, in samples.  language_id: once it is known.
    """

    waveform: Waveform
    options: DecodingOptions
    with_times: bool
    language_id: int | None
    start: int = 0
    num_windows: int = 0
    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    passages: list[tuple[float, float, Hypothesis]] = field(default_factory=list)

    def has_more(self) -> bool:
        return len(self.waveform) - self.start >= MIN_SAMPLES


class LongForm:
    """Transcribes batches; options say language, task, what is written before, and times."""

    def __init__(
        self, spec: PipelineSpec, choices: Choices, runner: Runner, tokens: TokenTable
    ) -> None:
        assert spec.autoregressive, "a head that is autoregressive has its facts"
        self.spec, self.choices, self.runner, self.tokens = spec, choices, runner, tokens
        self.facts = spec.autoregressive
        self.rules = make_rules(self.facts)
        self.window = round(self.facts.window_seconds * spec.sample_rate)  # samples
        self.step = round(spec.seconds_per_frame * spec.sample_rate)  # samples between two times

    def transcribe(
        self, waveforms: Sequence[Waveform], options: Sequence[DecodingOptions]
    ) -> list[Transcript]:
        """In the order of the waveforms."""
        everyone = list(map(self._begin, waveforms, options))
        going = everyone
        while going:
            for first in range(0, len(going), MAX_ROWS):
                self._hear_windows(going[first : first + MAX_ROWS])
            going = [each for each in going if each.has_more()]
        return [self._tell(each) for each in everyone]

    def settle(self, options: DecodingOptions, heard: Sequence[Transcript]) -> DecodingOptions:
        """Options for the rest of a recording: its first window told the language of all."""
        told = (self.facts.languages.get(each.language or "") for each in heard)
        return dataclasses.replace(options, language=options.language or next(told, None))

    def decode(self, tokens: Ints, caches: Caches) -> tuple[Floats, Caches]:
        """One step of the decoder: the token of each row to logits, and what is left of it."""
        (outputs,) = self.runner.run("decoder", [{"TOKENS": tokens, **caches}])
        left = {name.removeprefix("NEW_"): outputs[name] for name in outputs if name != "LOGITS"}
        return outputs["LOGITS"], {**caches, **left}  # type: ignore[return-value]

    def _begin(self, waveform: Waveform, asked: DecodingOptions) -> Progress:
        is_plain = not asked.prefix or self.facts.no_timestamps_id in asked.prefix
        with_times = asked.timestamps or len(waveform) > self.window or not is_plain
        known = set(self.facts.languages.values())
        told = next((each for each in asked.prefix if each in known), asked.language)
        return Progress(waveform, asked, with_times, told)

    def _hear_windows(self, rows: Sequence[Progress]) -> None:
        """The next window of each; to the encoder, all are as long."""
        audio = [row.waveform[row.start : row.start + self.window] for row in rows]
        lens = [self.window] * len(rows)
        plan = plan_sub_batches(lens, self.choices, self.spec.sample_rate)
        batches = [pad([audio[place] for place in places]) for places in plan]
        encoder_out = stack(self.runner.run("encoder", batches))["ENCODER_OUT"]
        (caches,) = self.runner.run("cross_attention", [{"ENCODER_OUT": encoder_out}])
        order = list(chain(*plan))
        prompts = [self._prompt(rows[place]) for place in order]
        found = greedy_search(prompts, caches, self.decode, self.rules)
        for place, written in zip(order, found, strict=True):
            self._take(rows[place], written, len(audio[place]))

    def _prompt(self, row: Progress) -> Prompt:
        """What was said before, in the first window only; then start, language, task, times."""
        facts, asked = self.facts, row.options
        if asked.prefix:
            unwanted = facts.no_timestamps_id if row.with_times else None
            return Prompt(tuple(each for each in asked.prefix if each != unwanted), row.with_times)
        before = [facts.previous_id, *asked.prompt] if asked.prompt and not row.num_windows else []
        ids = [*before, facts.start_id]
        if facts.languages:
            task = facts.tasks["transcribe"] if asked.task is None else asked.task
            ids += [DETECT if row.language_id is None else row.language_id, task]
        if not row.with_times:
            ids.append(facts.no_timestamps_id)
        return Prompt(tuple(ids), row.with_times)

    def _take(self, row: Progress, written: Written, num_samples: int) -> None:
        """What a window says, and where the next one begins."""
        start, row.start = row.start, row.start + num_samples
        row.num_windows += 1
        row.language_id = row.language_id or written.language_id
        if written.no_speech > NO_SPEECH and written.mean_log_prob <= MEAN_LOG_PROB:
            return
        length = num_samples // self.step
        passages, advance = windows.cut(written.ids, self.facts.first_timestamp_id, length)
        if advance < length and row.num_windows < self._max_windows(row):
            row.start = start + advance * self.step
        for passage in passages:
            self._keep(row, written, passage, start)

    def _max_windows(self, row: Progress) -> int:
        return MAX_WINDOWS_EACH * (1 + len(row.waveform) // self.window)

    def _keep(self, row: Progress, written: Written, passage: windows.Passage, start: int) -> None:
        """start: of the window, in samples."""
        texts = [
            (written.ids[place], written.log_probs[place])
            for place in range(passage.first, passage.last)
            if written.ids[place] < self.facts.end_id
        ]
        ids, log_probs = [each for each, _ in texts], [each for _, each in texts]
        row.ids += ids
        row.log_probs += log_probs
        begin, end = (
            min(start + steps * self.step, len(row.waveform)) / self.spec.sample_rate
            for steps in (passage.start, passage.end)
        )
        row.passages.append((begin, end, Hypothesis(ids, None, log_probs)))

    def _tell(self, row: Progress) -> Transcript:
        """Without times there is one passage, from the start to the end: no news."""
        whole = self.tokens.transcribe(Hypothesis(row.ids, None, row.log_probs))
        codes = {number: code for code, number in self.facts.languages.items()}
        parts = tuple(
            Part(begin, end, self.tokens.transcribe(hypothesis))
            for begin, end, hypothesis in (row.passages if row.with_times else ())
        )
        language = None if row.language_id is None else codes.get(row.language_id)
        return dataclasses.replace(whole, language=language, parts=parts or None)


def make_rules(facts: Autoregressive) -> Rules:
    return Rules(
        facts.max_tokens,
        facts.start_id,
        facts.end_id,
        facts.no_speech_id,
        facts.no_timestamps_id,
        tuple(facts.languages.values()),
        tuple(facts.suppressed_ids),
        tuple(facts.begin_suppressed_ids),
        facts.max_initial_timestamp,
    )
