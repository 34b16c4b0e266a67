"""Offline recognition: waveforms in, transcripts out. The story of the product on one screen."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy as np

from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.detector import SpeechDetector
from auricle.serve.hotwords import HotwordEmbedder
from auricle.serve.long_form import LongForm
from auricle.serve.options import DecodingOptions, default_options
from auricle.serve.planning import Waveform, bucket_width, group, pad, plan_sub_batches, stack
from auricle.serve.recordings import Recordings
from auricle.serve.runner import Array, Runner
from auricle.serve.scorers import Aids, Scorers
from auricle.serve.searches import BEAM_DECODINGS, Parts, create_searches
from auricle.serve.tokens import TokenTable, Transcript
from auricle.serve.written import write
from auricle.spec import Choices, PipelineSpec, Vad


class Pipeline:
    """Recognises a list of waveforms of any lengths with as few padded samples as it may."""

    def __init__(
        self,
        spec: PipelineSpec,
        choices: Choices,
        runner: Runner,
        tokens: TokenTable,
        aids: Aids | None = None,
    ) -> None:
        """aids: what the searches are given beside the network."""
        self.spec = spec
        self.choices = choices
        self.runner = runner
        self.tokens = tokens
        self.aids = aids = aids or Aids()
        self.defaults = aids.add_to(default_options(spec, choices))
        self.searches = create_searches(Parts(spec, choices, runner, Scorers(aids.language_model)))
        self.long_form = LongForm(spec, choices, runner, tokens) if spec.autoregressive else None
        self.embed = HotwordEmbedder(runner, spec.hotwords) if spec.hotwords else None
        self.max_seconds = min(choices.max_audio_seconds, spec.max_seconds or math.inf)
        self.recordings = self._create_recordings(spec.vad) if spec.vad else None

    def transcribe(
        self, waveforms: Sequence[Waveform], options: Sequence[DecodingOptions] | None = None
    ) -> list[Transcript]:
        """In the order of the waveforms; options: one for each, or None for the model's own."""
        options = options or [self.defaults] * len(waveforms)
        rows = range(len(waveforms))
        whole = [row for row in rows if not self._is_cut(waveforms[row], options[row])]
        heard = self._hear([waveforms[row] for row in whole], [options[row] for row in whole])
        transcripts = dict(zip(whole, heard, strict=True))
        said = [
            transcripts.get(row) or self._hear_cut(waveforms[row], options[row]) for row in rows
        ]
        return [write(each, asked.itn) for each, asked in zip(said, options, strict=True)]

    def _create_recordings(self, facts: Vad) -> Recordings:
        detector = SpeechDetector(facts, self.runner)
        return Recordings(detector, self.choices, self.max_seconds, self._hear, self.long_form)

    def _is_cut(self, waveform: Waveform, options: DecodingOptions) -> bool:
        seconds = len(waveform) / self.spec.sample_rate
        return options.speech is not None and seconds > self.max_seconds

    def _hear_cut(self, waveform: Waveform, options: DecodingOptions) -> Transcript:
        assert self.recordings, "a model without a detector is not asked to cut"
        return self.recordings.transcribe(waveform, options)

    def _hear(
        self, waveforms: Sequence[Waveform], options: Sequence[DecodingOptions]
    ) -> list[Transcript]:
        """Each whole."""
        if self.long_form:
            return self.long_form.transcribe(waveforms, options)
        plans = [self._plan(rows, waveforms, options) for rows in group(options)]
        batches = [self._inputs(rows, waveforms, options) for rows in chain(*plans)]
        outputs = iter(self.runner.run("encoder", batches))
        transcripts: dict[int, Transcript] = {}
        for plan in plans:
            order = list(chain(*plan))
            search = self.searches[options[order[0]].decoding]
            asked = [options[row] for row in order]
            batch = stack(list(islice(outputs, len(plan))))
            nbests = search(batch, [each.beam for each in asked])
            for row, nbest, wanted in zip(order, nbests, asked, strict=True):
                seconds = len(waveforms[row]) / self.spec.sample_rate
                transcripts[row] = self._tell(nbest, seconds, wanted)
        return [transcripts[row] for row in range(len(waveforms))]

    def _tell(
        self, nbest: Sequence[Hypothesis], seconds: float, asked: DecodingOptions
    ) -> Transcript:
        best = self.tokens.transcribe(nbest[0], seconds)
        if asked.beam.nbest and asked.decoding in BEAM_DECODINGS:
            best = replace(best, nbest=self.tokens.tell_nbest(nbest, asked.beam.nbest))
        return best

    def _plan(
        self, rows: Sequence[int], waveforms: Sequence[Waveform], options: Sequence[DecodingOptions]
    ) -> list[list[int]]:
        facts = self.spec.hotwords
        if facts and facts.runs_alone and options[rows[0]].hotwords:
            return [[row] for row in rows]
        lens = [len(waveforms[row]) for row in rows]
        plan = plan_sub_batches(lens, self.choices, self.spec.sample_rate)
        return [[rows[place] for place in places] for places in plan]

    def _inputs(
        self, rows: Sequence[int], waveforms: Sequence[Waveform], options: Sequence[DecodingOptions]
    ) -> dict[str, Array]:
        longest = max(len(waveforms[row]) for row in rows)
        bounds = self.choices.bucket_seconds, self.max_seconds
        width = bucket_width(longest, *bounds, self.spec.sample_rate)
        batch = pad([waveforms[row] for row in rows], width)
        if self.spec.prompt:
            batch["LANGUAGE"] = np.array([options[row].language for row in rows], np.int32)
            batch["TEXT_NORM"] = np.array([options[row].text_norm for row in rows], np.int32)
        if self.embed:
            embedded = self.embed(options[rows[0]].hotwords)
            batch["BIAS_EMBED"] = np.repeat(embedded[None], len(rows), axis=0)
        return batch
