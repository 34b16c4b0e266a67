"""The shell that Triton calls for every offline model: unpack, transcribe, pack."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

from auricle import spec
from auricle.errors import InvalidRequestError
from auricle.serve.backend import responses, runners
from auricle.serve.backend.requests import Limits, unpack
from auricle.serve.backend.responses import Utterance
from auricle.serve.pipeline import Pipeline, Waveform
from auricle.serve.tokens import TokenTable, parse_symbols

LOGGER = logging.getLogger(__name__)
WARM_UP_SECONDS = (1.0, 5.0, 15.0)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        choices = spec.parse_choices(parameters)
        folder = Path(args["model_repository"]) / args["model_version"]
        self.spec = spec.load(folder)
        self.name = args["model_name"]
        on_gpu = args["model_instance_kind"] == "GPU"
        runner = runners.create(self.spec, choices, folder, self.name, on_gpu)
        symbols = parse_symbols((folder / self.spec.tokens).read_text(encoding="utf-8"))
        tokens = TokenTable(symbols, self.spec.token_kind, self.spec.seconds_per_frame)
        self.pipeline = Pipeline(self.spec, choices, runner, tokens)
        max_seconds = min(choices.max_audio_seconds, self.spec.max_seconds or float("inf"))
        self.limits = Limits(self.spec.sample_rate, max_seconds)
        if choices.runner == "onnxruntime":  # Triton warms a model of its own up by itself
            self._warm_up()

    def _warm_up(self) -> None:
        noise = np.random.default_rng(0)
        for seconds in WARM_UP_SECONDS:
            num_samples = int(min(seconds, self.limits.max_seconds) * self.spec.sample_rate)
            self.pipeline.transcribe([noise.normal(0, 0.05, num_samples).astype(np.float32)])

    def execute(
        self, requests: Sequence[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """One response a request, in order; a request that is unfit fails alone."""
        answers: dict[int, pb_utils.InferenceResponse] = {}
        waveforms: dict[int, list[Waveform]] = {}
        for index, request in enumerate(requests):
            if request.is_cancelled():
                answers[index] = responses.pack_cancelled()
                continue
            try:
                waveforms[index] = unpack(request, self.limits)
            except InvalidRequestError as error:
                answers[index] = responses.pack_error(error)
        for index, answer in self._transcribe(waveforms).items():
            if isinstance(answer, Exception):
                answers[index] = responses.pack_error(answer)
            else:
                names = requests[index].requested_output_names()
                answers[index] = responses.pack(answer, self.name, names)
        return [answers[index] for index in range(len(requests))]

    def _transcribe(
        self, waveforms: dict[int, list[Waveform]]
    ) -> dict[int, list[Utterance] | Exception]:
        """All requests in one batch; if that fails, each alone, so that only the guilty fail."""
        flat = [waveform for rows in waveforms.values() for waveform in rows]
        if not flat:
            return {}
        try:
            transcripts = iter(self.pipeline.transcribe(flat))
        except Exception as error:
            if len(waveforms) == 1:
                LOGGER.exception("a request failed")
                return dict.fromkeys(waveforms, error)
            alone = (self._transcribe({index: rows}) for index, rows in waveforms.items())
            return {index: answer for answers in alone for index, answer in answers.items()}
        return {
            index: [Utterance(next(transcripts), len(row) / self.spec.sample_rate) for row in rows]
            for index, rows in waveforms.items()
        }
