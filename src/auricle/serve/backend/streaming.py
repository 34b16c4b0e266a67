"""The shell that Triton calls for every streaming model, the only one that holds state."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

from auricle import spec
from auricle.serve.backend import request_log, responses, runners, stream_responses
from auricle.serve.backend.beam_parameters import BeamMenu
from auricle.serve.backend.local import create_streaming_pipeline
from auricle.serve.backend.metrics import Meter, MeteredRunner, Series
from auricle.serve.backend.outcomes import (
    CancelledRequestError,
    StreamOutcome,
    UnfitRequestError,
)
from auricle.serve.backend.requests import Limits
from auricle.serve.backend.sessions import Place, Sessions, Visit, take_turns
from auricle.serve.backend.stream_parameters import StreamMenu
from auricle.serve.backend.stream_requests import read_place, unpack
from auricle.serve.backend.stream_table import StreamTable
from auricle.serve.decode.endpoint import NEVER, Rules
from auricle.serve.searches import BEAM_DECODINGS
from auricle.serve.stream import Chunk
from auricle.serve.streaming import StreamingPipeline
from auricle.spec import Choices

LOGGER = logging.getLogger(__name__)
GRACE_S = 5.0  # behind Triton's own patience, so that no stream is dropped that Triton keeps
REAPING_PERIOD_S = 1.0


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        choices = spec.parse_choices(parameters)
        self.name = args["model_name"]
        self.log = request_log.open_log(self.name)
        self.meter = Meter(self.name, of_streams=True)
        pipeline = self._create_pipeline(args, choices)
        rate = pipeline.spec.sample_rate
        idle_us = int(config["sequence_batching"]["max_sequence_idle_microseconds"])
        self.table = StreamTable(idle_us / 1e6 + GRACE_S)
        rules = Rules(choices.endpoint_rule1, choices.endpoint_rule2, choices.endpoint_rule3)
        self.sessions = Sessions(pipeline, self.table, rules if choices.endpoint == "on" else NEVER)
        self.menu = StreamMenu(rate, rules, self._create_beam_menu(choices, pipeline))
        self.limits = Limits(rate, choices.max_audio_seconds, remedy="send it in shorter chunks")
        if choices.runner == "onnxruntime":  # Triton warms a model of its own up by itself
            _warm_up(pipeline)
        self.meter.open()
        self.num_told = 0  # streams, as the gauge has them
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.reaper = threading.Thread(target=self._reap_on, name="reaper", daemon=True)
        self.reaper.start()

    def _create_pipeline(self, args: dict[str, str], choices: Choices) -> StreamingPipeline:
        folder = Path(args["model_repository"]) / args["model_version"]
        facts = spec.load(folder)
        runner = runners.create(facts, choices, folder, self.name, runners.gpu_of(args))
        metered = MeteredRunner(runner, self.meter, facts.sample_rate)
        return create_streaming_pipeline(facts, choices, folder, metered)

    def _create_beam_menu(self, choices: Choices, pipeline: StreamingPipeline) -> BeamMenu | None:
        """Of a model whose streams are searched by a beam."""
        if choices.decoding not in BEAM_DECODINGS:
            return None
        return BeamMenu(pipeline.spec, choices, pipeline.defaults, pipeline.aids.phrases)

    def execute(
        self, requests: Sequence[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """One response a request, in order; a chunk that is unfit fails alone."""
        self._reap()
        places = [read_place(request) for request in requests]
        outcomes: dict[int, StreamOutcome] = {}
        for turn in take_turns(places):
            outcomes |= self._take_turn({index: (requests[index], places[index]) for index in turn})
        ordered = [outcomes[index] for index in range(len(requests))]
        self._report(requests, ordered)
        transcribe = self.sessions.pipeline.tokens.transcribe
        return [
            stream_responses.pack(outcome, self.name, transcribe, request.requested_output_names())
            for request, outcome in zip(requests, ordered, strict=True)
        ]

    def finalize(self) -> None:
        self.closing.set()
        self.reaper.join()
        self._tell_gauge(0)
        self.meter.close()

    def _take_turn(
        self, asked: dict[int, tuple[pb_utils.InferenceRequest, Place]]
    ) -> dict[int, StreamOutcome]:
        outcomes: dict[int, StreamOutcome] = {}
        visits: dict[int, Visit] = {}
        for index, (request, place) in asked.items():
            try:
                chunk, options = unpack(request, place, self.limits, self.menu)
                visits[index] = self.sessions.admit(place, chunk, options.rules, options.beam)
            except (UnfitRequestError, CancelledRequestError) as error:
                outcomes[index] = self.sessions.refuse(place, error)
            except Exception as error:  # a fault of ours, but its neighbours' chunks are well
                LOGGER.exception("a chunk could not be read")
                outcomes[index] = self.sessions.refuse(place, error)
        return outcomes | self.sessions.recognise(visits)

    def _report(
        self, requests: Sequence[pb_utils.InferenceRequest], outcomes: Sequence[StreamOutcome]
    ) -> None:
        self._tell_gauge(len(self.table))
        self.meter.count(outcomes)
        if self.log:
            for request, outcome in zip(requests, outcomes, strict=True):
                status = responses.status_of(outcome.error)
                self.log.write(request.request_id(), status, outcome)

    def _reap_on(self) -> None:
        while not self.closing.wait(REAPING_PERIOD_S):
            self._reap()

    def _reap(self) -> None:
        num_idle = self.table.reap()
        if num_idle:
            LOGGER.info("dropped %d streams that had idled out", num_idle)
            self.meter.add(Series("asr_idle_streams_total"), num_idle)
            self._tell_gauge(len(self.table))

    def _tell_gauge(self, num_streams: int) -> None:
        with self.lock:
            self.meter.add(Series("asr_active_streams"), num_streams - self.num_told)
            self.num_told = num_streams


def _warm_up(pipeline: StreamingPipeline) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, pipeline.facts.window)
    pipeline.step([pipeline.start()], [Chunk(noise.astype(np.float32), is_last=True)])
