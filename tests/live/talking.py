"""Sequences by tritonclient alone, so that they may be as wrong as they like."""

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import tritonclient.grpc as kserve

from auricle.audio import Waveform
from auricle.client import Result
from auricle.client.results import parse_result


@dataclass(frozen=True)
class Say:
    """One chunk of a sequence."""

    samples: Waveform
    stream_id: int | str
    is_first: bool = False
    is_last: bool = False
    parameters: Mapping[str, str | int | bool] | None = None


@dataclass(frozen=True)
class Talker:
    """Says things to one model of the server at address."""

    client: kserve.InferenceServerClient
    model: str
    address: str

    def say(self, what: Say) -> Result:
        """RESULT; InferenceServerException where there is none."""
        answer = self.client.infer(
            self.model,
            _inputs(what.samples),
            outputs=[kserve.InferRequestedOutput("RESULT")],
            sequence_id=what.stream_id,
            sequence_start=what.is_first,
            sequence_end=what.is_last,
            parameters=dict(what.parameters or {}) or None,
        )
        return _result(answer)

    def say_all(self, chunks: Sequence[Waveform], stream_id: int | str) -> list[Result]:
        """A whole stream."""
        last = len(chunks) - 1
        return [
            self.say(Say(chunk, stream_id, is_first=index == 0, is_last=index == last))
            for index, chunk in enumerate(chunks)
        ]

    @contextmanager
    def line(self) -> Iterator[Callable[[Say], Result]]:
        """A gRPC stream of its own; what it gives says one thing and waits for the answer."""
        answers: queue.SimpleQueue[kserve.InferResult | Exception] = queue.SimpleQueue()
        with kserve.InferenceServerClient(self.address) as client:
            client.start_stream(lambda result, error: answers.put(error or result))

            def say(what: Say) -> Result:
                client.async_stream_infer(
                    self.model,
                    _inputs(what.samples),
                    sequence_id=what.stream_id,
                    sequence_start=what.is_first,
                    sequence_end=what.is_last,
                )
                answer = answers.get(timeout=60)
                if isinstance(answer, Exception):
                    raise answer
                return _result(answer)

            yield say


def _inputs(samples: Waveform) -> list[kserve.InferInput]:
    wav = kserve.InferInput("WAV", [1, len(samples)], "FP32")
    wav.set_data_from_numpy(samples[None])
    lens = kserve.InferInput("WAV_LENS", [1, 1], "INT32")
    lens.set_data_from_numpy(np.array([[len(samples)]], np.int32))
    return [wav, lens]


def _result(answer: kserve.InferResult) -> Result:
    return parse_result(answer.as_numpy("RESULT")[0, 0])
