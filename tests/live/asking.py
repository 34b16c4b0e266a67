"""Requests to a real server by tritonclient alone, so that they may be as wrong as they like."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import tritonclient.grpc as kserve
from numpy.typing import NDArray

from auricle.audio import Waveform
from auricle.client import Result
from auricle.client.results import parse_result


@dataclass(frozen=True)
class Sent:
    """A request in flight."""

    answer: "Future[kserve.InferResult]"
    cancel: Callable[[], None]

    def result(self, timeout_s: float) -> kserve.InferResult:
        return self.answer.result(timeout_s)

    def exception(self, timeout_s: float) -> BaseException | None:
        return self.answer.exception(timeout_s)


@dataclass(frozen=True)
class Asker:
    """Asks one model of one server; parameters go with every request."""

    client: kserve.InferenceServerClient
    model: str

    def send(
        self,
        inputs: Mapping[str, NDArray[np.generic]],
        parameters: Mapping[str, str | float] | None = None,
        outputs: Sequence[str] = ("RESULT",),
        timeout_us: int | None = None,
        request_id: str = "",
    ) -> Sent:
        """Send and go on; the answer, or InferenceServerException, comes later."""
        answer: Future[kserve.InferResult] = Future()

        def done(result: kserve.InferResult | None, error: Exception | None) -> None:
            if error:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        call = self.client.async_infer(
            self.model,
            [_tensor(name, values) for name, values in inputs.items()],
            done,
            outputs=[kserve.InferRequestedOutput(name) for name in outputs],
            parameters=dict(parameters or {}),
            timeout=timeout_us,
            request_id=request_id,
        )
        return Sent(answer, call.cancel)

    def transcribe(self, waveform: Waveform, **parameters: str | float) -> Result:
        return self.ask_together([(waveform, parameters)])[0]

    def transcribe_together(self, waveforms: Sequence[Waveform]) -> list[Result]:
        """All in flight at once, a request each."""
        return self.ask_together([(waveform, {}) for waveform in waveforms])

    def ask_together(
        self, asked: Sequence[tuple[Waveform, Mapping[str, str | float]]]
    ) -> list[Result]:
        """Likewise, each with its own parameters."""
        sent = [self.send(audio([waveform]), parameters) for waveform, parameters in asked]
        return [results(answer.result(60))[0] for answer in sent]


def audio(waveforms: Sequence[Waveform], filler: float = 0) -> dict[str, NDArray[np.generic]]:
    """WAV [B, L], WAV_LENS [B, 1]; filler is what stands behind the shorter ones."""
    lens = np.array([[len(waveform)] for waveform in waveforms], np.int32)
    wav = np.full((len(waveforms), lens.max()), filler, np.float32)
    for row, waveform in zip(wav, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return {"WAV": wav, "WAV_LENS": lens}


def results(answer: kserve.InferResult) -> list[Result]:
    """RESULT of each utterance, without the name of the model."""
    texts = answer.as_numpy("RESULT").reshape(-1)
    return [dataclasses.replace(parse_result(text), model="") for text in texts]


def symbols(result: Result) -> list[str]:
    (segment,) = result.segments
    return [token.text for token in segment.tokens]


def _tensor(name: str, values: NDArray[np.generic]) -> kserve.InferInput:
    dtypes = {"f4": "FP32", "O": "BYTES", "f8": "FP64", "i4": "INT32", "i2": "INT16"}
    tensor = kserve.InferInput(name, list(values.shape), dtypes[values.dtype.str[1:]])
    tensor.set_data_from_numpy(values)
    return tensor
