"""Callers that ask without pause, and what became of each of their requests."""

import contextlib
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle.audio import Waveform
from tests.live.asking import Asker, audio


@dataclass
class Tally:
    """answered: ids of requests.  refused: the status of each that was not."""

    answered: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def calling(address: str, waveform: Waveform, num_callers: int) -> Iterator[Tally]:
    """Each caller sends a request as soon as it has its last answer, until the block ends."""
    tally, stop = Tally(), threading.Event()
    threads = [
        threading.Thread(target=call, args=(address, waveform, tally, stop))
        for _ in range(num_callers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield tally
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def call(address: str, waveform: Waveform, tally: Tally, stop: threading.Event) -> None:
    with kserve.InferenceServerClient(address) as client:
        asker = Asker(client, "demo")
        while not stop.wait(0.05 if tally.refused else 0):
            request_id = uuid.uuid4().hex
            try:
                asker.send(audio([waveform]), request_id=request_id).result(30)
            except InferenceServerException as error:
                tally.refused[request_id] = str(error.status())
            else:
                tally.answered.add(request_id)
