"""The laws of streams on a real tritonserver: no word is lost, and none is another's."""

import itertools
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle.audio import Waveform
from auricle.serve.backend.local import load_streaming_pipeline
from auricle.serve.stream import Chunk
from auricle.serve.streaming import StreamingPipeline
from auricle.server import Server
from auricle.spec import Choices
from tests.conftest import ROOT
from tests.live.conftest import StartServer
from tests.live.processes import wait_until
from tests.live.scraping import scrape
from tests.live.stream_models import IDLE_S, SAMPLE_RATE, write_stream_model
from tests.live.talking import Say, Talker

pytestmark = pytest.mark.triton

NUM_STREAMS = 16
GRACE_S = 5.0  # of serve/backend/streaming.py
CRASHING = """
import sys
import numpy as np
from tests.live.talking import Say, Talker
import tritonclient.grpc as kserve

address, first_id, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
talker = Talker(kserve.InferenceServerClient(address), "hear", address)
noise = np.random.default_rng(first_id).integers(0, 5, 900).astype(np.float32) / 8
for number in range(count):
    talker.say(Say(noise, first_id + number, is_first=True))
print("talking", flush=True)
while True:
    for number in range(count):
        talker.say(Say(noise, first_id + number))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models hear, with one instance, hear-two, with two, and hear-apart, with endpoints."""
    repository = tmp_path_factory.mktemp("streams")
    write_stream_model(repository, "hear", Choices(max_sub_batch=64))
    write_stream_model(repository, "hear-two", Choices(max_sub_batch=3), instances=2)
    write_stream_model(repository, "hear-apart", Choices(endpoint="on", endpoint_rule2=0.5))
    return repository


@pytest.fixture(scope="module")
def server(start_server: StartServer, repository: Path) -> Server:
    return start_server(repository)


@pytest.fixture(scope="module")
def pipeline(repository: Path) -> StreamingPipeline:
    """The model without Triton, of which each stream is heard alone and whole."""
    return load_streaming_pipeline(repository / "hear" / "1", Choices())


@pytest.fixture
def talker(server: Server, request: pytest.FixtureRequest) -> Iterator[Talker]:
    model = getattr(request, "param", "hear")
    with kserve.InferenceServerClient(server.grpc_address) as client:
        yield Talker(client, model, server.grpc_address)


def noise(num_samples: int, seed: int = 0) -> Waveform:
    """Multiples of an eighth up to a half, as the model counts them."""
    return np.random.default_rng(seed).integers(0, 5, num_samples).astype(np.float32) / 8


def alone(pipeline: StreamingPipeline, waveform: Waveform) -> str:
    _, (partial,) = pipeline.step([pipeline.start()], [Chunk(waveform, is_last=True)])
    return partial.text


def cut(waveform: Waveform, seed: int) -> list[Waveform]:
    """Chunks from 0 samples to seconds."""
    random = np.random.default_rng(seed)
    points = np.sort(random.integers(0, len(waveform) + 1, random.integers(0, 12)))
    bounds = [0, *points.tolist(), len(waveform)]
    return [waveform[start:end] for start, end in itertools.pairwise(bounds)]


def active(server: Server) -> float:
    return scrape(server).value("asr_active_streams", model="hear")


@pytest.mark.parametrize("talker", ["hear", "hear-two"], indirect=True)
@pytest.mark.parametrize("seed", range(3))
def test_interleaved_streams_in_any_chunks_say_what_each_says_alone(
    talker: Talker, pipeline: StreamingPipeline, seed: int
) -> None:
    waveforms = [noise(400 * row, NUM_STREAMS * seed + row) for row in range(NUM_STREAMS)]
    texts = [""] * NUM_STREAMS

    def talk(row: int) -> None:
        random = np.random.default_rng([seed, row])
        chunks = cut(waveforms[row], row)
        for index, chunk in enumerate(chunks):
            time.sleep(random.exponential(0.01))
            is_last = index == len(chunks) - 1
            told = talker.say(Say(chunk, 100 + row, is_first=index == 0, is_last=is_last))
            texts[row] = told.text

    threads = [threading.Thread(target=talk, args=(row,)) for row in range(NUM_STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert texts == [alone(pipeline, waveform) for waveform in waveforms]


def test_streams_that_talk_at_once_share_runs_of_the_encoder(
    talker: Talker, server: Server
) -> None:
    def count_runs() -> float:
        return scrape(server).value("asr_encoder_runs_total", model="hear")

    time.sleep(1)  # the numbers are half a second old
    before = count_runs()
    rounds, barrier = 20, threading.Barrier(NUM_STREAMS)

    def talk(row: int) -> None:
        with talker.line() as say:
            for index in range(rounds):
                barrier.wait(30)
                is_last = index == rounds - 1
                say(Say(noise(64, row), 200 + row, is_first=index == 0, is_last=is_last))

    threads = [threading.Thread(target=talk, args=(row,)) for row in range(NUM_STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    time.sleep(1)
    assert count_runs() - before < NUM_STREAMS * rounds / 1.5


@pytest.mark.parametrize("num_samples", [1, 16, 100, 1601])
def test_a_bare_end_gives_the_last_word(
    talker: Talker, pipeline: StreamingPipeline, num_samples: int
) -> None:
    waveform = noise(num_samples)
    silence = np.zeros(0, np.float32)
    told = talker.say_all([waveform, silence, silence], stream_id=300)
    assert [each.is_final for each in told] == [False, False, True]
    assert told[-1].text == alone(pipeline, waveform)
    assert told[-1].audio_seconds == round(num_samples / SAMPLE_RATE, 3)


def test_a_stream_of_one_request_is_a_stream(talker: Talker, pipeline: StreamingPipeline) -> None:
    (told,) = talker.say_all([noise(900)], stream_id="by name")
    assert told.text == alone(pipeline, noise(900))


def test_keep_alives_keep_a_stream_beyond_the_idle_time(
    talker: Talker, pipeline: StreamingPipeline
) -> None:
    waveform, silence = noise(2000), np.zeros(0, np.float32)
    talker.say(Say(waveform[:1000], 310, is_first=True))
    for _ in range(4):
        time.sleep(IDLE_S / 3)
        talker.say(Say(silence, 310))
    told = talker.say(Say(waveform[1000:], 310, is_last=True))
    assert told.text == alone(pipeline, waveform)


def test_a_forced_end_closes_the_segment_and_the_times_go_on(talker: Talker) -> None:
    forced = talker.say(Say(noise(800), 320, is_first=True, parameters={"asr_finalize": True}))
    told = talker.say(Say(noise(800), 320, is_last=True))
    (closed, opened), (last,) = forced.segments, told.segments
    assert (closed.start, closed.end, closed.endpoint) == (0.0, 0.5, "finalize")
    assert (closed.final, opened.final, last.final) == (True, False, True)
    assert (last.id, last.start, last.end) == (1, 0.5, 1.0)
    assert told.text == f"{closed.text} {last.text}"


def test_endpoints_are_for_those_who_ask(talker: Talker) -> None:
    spoken = np.concatenate([noise(800), np.zeros(2 * SAMPLE_RATE, np.float32), noise(800, 1)])
    endpoint = {"asr_endpoint": '{"rule2": 0.5}'}
    asked = talker.say(Say(spoken, 330, is_first=True, is_last=True, parameters=endpoint))
    silent = talker.say(Say(spoken, 330, is_first=True, is_last=True))
    rules = [segment.endpoint for segment in asked.segments]
    assert rules[0] == "rule2"
    assert [segment.endpoint for segment in silent.segments] == [None]
    assert asked.text == silent.text


@pytest.mark.parametrize("talker", ["hear-apart"], indirect=True)
def test_endpoints_are_for_all_where_the_model_has_them(talker: Talker) -> None:
    spoken = np.concatenate([noise(800), np.zeros(2 * SAMPLE_RATE, np.float32), noise(800, 1)])
    told = talker.say(Say(spoken, 335, is_first=True, is_last=True))
    declined = Say(spoken, 336, is_first=True, is_last=True, parameters={"asr_endpoint": False})
    assert told.segments[0].endpoint == "rule2"
    assert [segment.endpoint for segment in talker.say(declined).segments] == [None]


def test_a_second_start_begins_anew(talker: Talker, pipeline: StreamingPipeline) -> None:
    talker.say(Say(noise(700), 340, is_first=True))
    told = talker.say(Say(noise(900, 1), 340, is_first=True, is_last=True))
    assert told.text == alone(pipeline, noise(900, 1))


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (Say(noise(100), 350), "sequence 350 .* must specify the START flag"),
        (Say(noise(100), 0, is_first=True), "non-zero or non-empty correlation ID"),
        (Say(100 * noise(100), 350, is_first=True), "looks like int16 scale; divide by 32768"),
        (
            Say(noise(100), 350, is_first=True, parameters={"asr_sample_rate": 8000}),
            "asr_sample_rate is 8000 Hz, but this model needs 1600 Hz",
        ),
        (
            Say(noise(100), 350, is_first=True, parameters={"asr_language": "en"}),
            "unknown request parameters .*asr_endpoint, asr_finalize",
        ),
        (
            Say(np.zeros(61 * SAMPLE_RATE, np.float32), 350, is_first=True),
            "takes at most 60 s .*send it in shorter chunks",
        ),
    ],
)
def test_what_cannot_be_served_is_told_why(talker: Talker, what: Say, sentence: str) -> None:
    with pytest.raises(InferenceServerException, match=sentence):
        talker.say(what)


def test_a_refused_chunk_leaves_its_stream_as_it_was(
    talker: Talker, pipeline: StreamingPipeline
) -> None:
    waveform = noise(2000)
    talker.say(Say(waveform[:1000], 360, is_first=True))
    with pytest.raises(InferenceServerException, match="int16"):
        talker.say(Say(100 * waveform, 360))
    told = talker.say(Say(waveform[1000:], 360, is_last=True))
    assert told.text == alone(pipeline, waveform)


def test_a_stream_whose_first_chunk_was_refused_is_told_so(talker: Talker) -> None:
    with pytest.raises(InferenceServerException, match="int16"):
        talker.say(Say(100 * noise(100), 370, is_first=True))
    with pytest.raises(InferenceServerException, match="stream 370: its first chunk was refused"):
        talker.say(Say(noise(100), 370))


def test_a_silent_stream_is_reaped_and_a_late_chunk_wants_a_start(
    talker: Talker, server: Server
) -> None:
    assert wait_until(lambda: active(server) == 0, IDLE_S + GRACE_S + 5)
    talker.say(Say(noise(100), 380, is_first=True))
    assert wait_until(lambda: active(server) == 1, 2)
    assert wait_until(lambda: active(server) == 0, IDLE_S + GRACE_S + 3)
    with pytest.raises(InferenceServerException, match="must specify the START flag"):
        talker.say(Say(noise(100), 380))


def test_the_docs_name_every_metric_of_streams_and_no_other(server: Server) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\basr_\w+_(?:total|streams)\b", page))
    assert named == {name for name in scrape(server).names() if name.startswith("asr_")}


def test_clients_killed_mid_stream_harm_no_other(
    talker: Talker, server: Server, pipeline: StreamingPipeline
) -> None:
    dying = [
        subprocess.Popen(
            [sys.executable, "-c", CRASHING, server.grpc_address, str(first), "20"],
            stdout=subprocess.PIPE,
        )
        for first in (1000, 2000)
    ]
    waveform = noise(6000, 5)
    told = [talker.say(Say(waveform[:1000], 390, is_first=True))]
    for process in dying:
        assert process.stdout
        assert process.stdout.readline() == b"talking\n"
    assert wait_until(lambda: active(server) == 41, 3)
    for index, process in enumerate(dying, start=1):
        process.send_signal(signal.SIGKILL)
        process.communicate()
        told.append(talker.say(Say(waveform[1000 * index : 1000 * (index + 1)], 390)))
    told.append(talker.say(Say(waveform[3000:], 390, is_last=True)))
    assert told[-1].text == alone(pipeline, waveform)
    (again,) = talker.say_all([noise(900)], stream_id=1003)  # an id that died
    assert again.text == alone(pipeline, noise(900))
    assert wait_until(lambda: active(server) == 0, IDLE_S + GRACE_S + 3)
