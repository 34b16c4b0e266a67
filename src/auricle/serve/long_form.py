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
from auricle.serve.tokens import Passage, TokenTable, Transcript
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

    start: of the next window, in samples.  language_id: once it is known.
    """

    waveform: Waveform
    options: DecodingOptions
    start: int = 0
    num_windows: int = 0
    language_id: int | None = None
    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    passages: list[tuple[float, float, Hypothesis]] = field(default_factory=list)


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
        self.step = round(spec.seconds_per_frame * spec.sample_rate)  # samples of a timestamp

    def transcribe(
        self, waveforms: Sequence[Waveform], options: Sequence[DecodingOptions]
    ) -> list[Transcript]:
        everyone = list(map(Progress, waveforms, options))
        going = list(everyone)
        while going:
            for first in range(0, len(going), MAX_ROWS):
                self._hear_windows(going[first : first + MAX_ROWS])
            going = [each for each in going if self._has_more(each)]
        return [self._tell(each) for each in everyone]

    def _has_more(self, progress: Progress) -> bool:
        return len(progress.waveform) - progress.start >= MIN_SAMPLES

    def _hear_windows(self, rows: Sequence[Progress]) -> None:
        """The next window of each."""
        audio = [row.waveform[row.start : row.start + self.window] for row in rows]
        plan = plan_sub_batches(list(map(len, audio)), self.choices, self.spec.sample_rate)
        batches = [pad([audio[place] for place in places]) for places in plan]
        encoder_out = stack(self.runner.run("encoder", batches))["ENCODER_OUT"]
        (caches,) = self.runner.run("cross_attention", [{"ENCODER_OUT": encoder_out}])
        order = list(chain(*plan))
        prompts = [self._prompt(rows[place]) for place in order]
        found = greedy_search(prompts, caches, self._step, self.rules)
        for place, written in zip(order, found, strict=True):
            self._take(rows[place], written, len(audio[place]))

    def _step(self, tokens: Ints, caches: Caches) -> tuple[Floats, Caches]:
        (outputs,) = self.runner.run("decoder", [{"TOKENS": tokens, **caches}])
        news = {
            name.removeprefix("NEW_"): values
            for name, values in outputs.items()
            if name != "LOGITS"
        }
        return outputs["LOGITS"], {**caches, **news}  # type: ignore[return-value]

    def _prompt(self, row: Progress) -> Prompt:
        """What was said before, in the first window only; then start, language, task, times."""
        facts, asked = self.facts, row.options
        with_times = asked.timestamps or len(row.waveform) > self.window
        if asked.prefix:
            with_times = with_times or facts.no_timestamps_id not in asked.prefix
            kept = asked.prefix
            if with_times:
                kept = tuple(each for each in kept if each != facts.no_timestamps_id)
            return Prompt(kept, with_times)
        before = (facts.previous_id, *asked.prompt) if asked.prompt and not row.num_windows else ()
        ids = [*before, facts.start_id]
        if facts.languages:
            language = row.language_id if asked.language is None else asked.language
            ids.append(DETECT if language is None else language)
            ids.append(facts.tasks["transcribe"] if asked.task is None else asked.task)
        if not with_times:
            ids.append(facts.no_timestamps_id)
        return Prompt(tuple(ids), with_times)

    def _take(self, row: Progress, written: Written, num_samples: int) -> None:
        """What a window says, and where the next one begins."""
        row.num_windows += 1
        row.language_id = row.language_id or written.language_id or self._told_language(row)
        start, row.start = row.start, row.start + num_samples
        if written.no_speech > NO_SPEECH and written.mean_log_prob <= MEAN_LOG_PROB:
            return
        length = num_samples // self.step
        first_time = self.facts.first_timestamp_id
        passages, advance = windows.cut(written.ids, first_time, length)
        budget = MAX_WINDOWS_EACH * (1 + len(row.waveform) // self.window)
        if advance < length and row.num_windows < budget:
            row.start = start + advance * self.step
        for passage in passages:
            self._keep(row, written, passage, start / self.spec.sample_rate)

    def _told_language(self, row: Progress) -> int | None:
        """By the request."""
        known = set(self.facts.languages.values())
        told = next((each for each in row.options.prefix if each in known), None)
        return told if row.options.language is None else row.options.language

    def _keep(
        self, row: Progress, written: Written, passage: windows.Passage, seconds: float
    ) -> None:
        places = [
            place
            for place in range(passage.first, passage.last)
            if written.ids[place] < self.facts.end_id
        ]
        ids = [written.ids[place] for place in places]
        log_probs = [written.log_probs[place] for place in places]
        row.ids += ids
        row.log_probs += log_probs
        longest = len(row.waveform) / self.spec.sample_rate
        ends = min(seconds + passage.end * self.spec.seconds_per_frame, longest)
        begins = min(seconds + passage.start * self.spec.seconds_per_frame, longest)
        row.passages.append((begins, ends, Hypothesis(ids, None, log_probs)))

    def _tell(self, row: Progress) -> Transcript:
        """Without times there is one passage, from the start to the end: no news."""
        whole = self.tokens.transcribe(Hypothesis(row.ids, None, row.log_probs))
        codes = {number: code for code, number in self.facts.languages.items()}
        language = codes.get(row.language_id) if row.language_id is not None else None
        passages: tuple[Passage, ...] = ()
        if self._prompt(row).timestamps:
            passages = tuple(
                Passage(start, end, self.tokens.transcribe(hypothesis))
                for start, end, hypothesis in row.passages
            )
        return dataclasses.replace(whole, language=language, passages=passages)


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
