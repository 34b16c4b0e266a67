"""The shell that Triton calls for every offline model: unpack, transcribe, pack."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import json
import logging
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

from auricle import spec
from auricle.serve.backend import request_log, responses, runners
from auricle.serve.backend.local import create_pipeline
from auricle.serve.backend.metrics import Meter, MeteredRunner
from auricle.serve.backend.outcomes import (
    CancelledRequestError,
    Outcome,
    UnfitRequestError,
    Utterance,
)
from auricle.serve.backend.prompting import create_menu
from auricle.serve.backend.requests import Asked, bounds_of, id_of, unpack
from auricle.serve.tokens import Transcript

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
        self.log = request_log.open_log(self.name)
        self.meter = Meter(self.name)
        runner = runners.create(self.spec, choices, folder, self.name, runners.gpu_of(args))
        metered = MeteredRunner(runner, self.meter, self.spec.sample_rate)
        self.pipeline = create_pipeline(self.spec, choices, folder, metered)
        phrases = self.pipeline.aids.phrases
        self.menu = create_menu(self.spec, choices, self.pipeline.tokens.symbols, phrases)
        self.bounds = bounds_of(self.spec, choices)
        if choices.runner == "onnxruntime":  # Triton warms a model of its own up by itself
            self._warm_up()
        self.meter.open()

    def _warm_up(self) -> None:
        noise = np.random.default_rng(0)
        has_window = self.spec.autoregressive is not None  # to which all audio is filled up
        for seconds in WARM_UP_SECONDS[:1] if has_window else WARM_UP_SECONDS:
            num_samples = int(min(seconds, self.bounds.whole.max_seconds) * self.spec.sample_rate)
            self.pipeline.transcribe([noise.normal(0, 0.05, num_samples).astype(np.float32)])

    def execute(
        self, requests: Sequence[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """One response a request, in order; a request that is unfit fails alone."""
        outcomes: dict[int, Outcome] = {}
        asked: dict[int, Asked] = {}
        for index, request in enumerate(requests):
            try:
                asked[index] = unpack(request, self.bounds, self.menu)
            except (UnfitRequestError, CancelledRequestError) as error:
                outcomes[index] = Outcome(error=error)
            except Exception as error:  # a fault of ours, but its neighbours' requests are well
                LOGGER.exception("a request could not be read")
                outcomes[index] = Outcome(error=error)
        outcomes |= self._transcribe(asked)
        ordered = [outcomes[index] for index in range(len(requests))]
        self._report(requests, ordered)
        return [
            responses.pack(outcome, self.name, request.requested_output_names())
            for request, outcome in zip(requests, ordered, strict=True)
        ]

    def finalize(self) -> None:
        self.meter.close()

    def _transcribe(self, asked: dict[int, Asked]) -> dict[int, Outcome]:
        """All requests in one batch; if that fails, each alone, so that only the guilty fail."""
        waveforms = [waveform for each in asked.values() for waveform in each.waveforms]
        options = [options for each in asked.values() for options in each.options]
        if not waveforms:
            return {}
        transcripts: list[Transcript] = []
        failure = None
        started = time.perf_counter()
        try:
            transcripts = self.pipeline.transcribe(waveforms, options)
        except Exception as error:
            if len(asked) > 1:
                alone = (self._transcribe({index: each}) for index, each in asked.items())
                return {index: outcome for each in alone for index, outcome in each.items()}
            LOGGER.exception("a request failed")
            failure = error
        compute_s = time.perf_counter() - started
        outcomes, heard = {}, iter(transcripts)
        for index, each in asked.items():
            seconds = [len(waveform) / self.spec.sample_rate for waveform in each.waveforms]
            utterances = list(map(Utterance, islice(heard, len(seconds)), seconds))
            outcomes[index] = Outcome(utterances, failure, seconds, len(waveforms), compute_s)
        return outcomes

    def _report(
        self, requests: Sequence[pb_utils.InferenceRequest], outcomes: Sequence[Outcome]
    ) -> None:
        self.meter.count(outcomes)
        if self.log:
            for request, outcome in zip(requests, outcomes, strict=True):
                status = responses.status_of(outcome.error)
                self.log.write(id_of(request), status, outcome)
