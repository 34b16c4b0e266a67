import asyncio
import json
import time

import numpy as np
import pytest

from auricle.client.bench.streaming.talk import Heard
from auricle.client.bench.streaming.target import connect
from tests.client.conftest import Serve, free_port

WAVEFORM = np.linspace(-1, 1, 4000, dtype=np.float32)  # 0.25 s


def speak(url: str, *, is_real_time: bool = False) -> Heard:
    async def run() -> Heard:
        async with connect(url, "demo", parameters={"asr_endpoint": "true"}) as target:
            target.prepare([WAVEFORM], 16000, chunk_ms=100)
            return await target.speak(0, time.perf_counter() if is_real_time else None)

    return asyncio.run(run())


def test_the_last_chunk_ends_the_stream(serve: Serve) -> None:
    heard = speak(serve())
    assert heard.text is not None
    told = json.loads(heard.text)
    assert (told["lens"], told["rate"], told["outputs"]) == ([800], 16000, ["TRANSCRIPTS"])
    parameters = told["parameters"]
    assert parameters.pop("sequence_id") > 0
    assert parameters == {
        "asr_endpoint": "true", "sequence_start": False, "sequence_end": True,
    }  # fmt: skip
    assert len(heard.latencies_s) == len(heard.dues_s) == 3


def test_in_real_time_a_chunk_is_due_when_its_last_sample_is(serve: Serve) -> None:
    url, start = serve("say=one"), time.perf_counter()
    heard = speak(url, is_real_time=True)
    assert time.perf_counter() - start > 0.25
    begin = heard.dues_s[0] - 0.1
    assert [due - begin for due in heard.dues_s] == pytest.approx([0.1, 0.2, 0.25])
    assert heard.first_text_s == pytest.approx(0.1 + heard.latencies_s[0])


@pytest.mark.parametrize(
    ("step", "words"), [("invalid", "WAV holds NaN"), ("lost", "UNAVAILABLE: ")]
)
def test_a_failure_is_told_with_what_was_heard_before(serve: Serve, step: str, words: str) -> None:
    heard = speak(serve("ok", step))
    assert heard.text is None
    assert heard.error is not None
    assert words in heard.error
    assert len(heard.latencies_s) == 1


def test_where_no_server_is_that_is_the_failure() -> None:
    heard = speak(f"localhost:{free_port()}")
    assert heard.error is not None
    assert heard.error.startswith("UNAVAILABLE: ")
