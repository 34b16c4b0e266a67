"""Every streaming model on a real tritonserver says what it says without."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository.populate import Deployment, populate
from auricle.serve.stream import Chunk
from auricle.serve.streaming import StreamingPipeline
from auricle.server import Server
from auricle.spec import RunnerName
from tests.families.checkpoints import STREAMING
from tests.families.test_streamed_texts import load, noise
from tests.live.conftest import StartServer
from tests.live.talking import Talker

pytestmark = pytest.mark.triton

NUM_STREAMS = 6
RUNNERS: dict[str, RunnerName] = {"": "onnxruntime", "-bls": "bls"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each form of a streaming checkpoint, in process, and by BLS with -bls behind its name."""
    repository = tmp_path_factory.mktemp("repository")
    for form, write in STREAMING.items():
        folder = write(tmp_path_factory.mktemp(form) / "checkpoint")
        built = families.load(form.partition("-")[0]).build(Checkpoint(folder, form), Options())
        for suffix, runner in RUNNERS.items():
            populate(built, form + suffix, repository, Deployment(runner=runner))
    return repository


@pytest.fixture(scope="module")
def server(start_server: StartServer, repository: Path) -> Server:
    return start_server(repository)


@pytest.fixture
def talker(server: Server, form: str, suffix: str) -> Iterator[Talker]:
    with kserve.InferenceServerClient(server.grpc_address) as client:
        yield Talker(client, form + suffix, server.grpc_address)


@pytest.fixture
def pipeline(repository: Path, form: str) -> StreamingPipeline:
    return load(repository / form)


@pytest.mark.parametrize("suffix", RUNNERS)
@pytest.mark.parametrize("form", STREAMING)
def test_streams_at_once_say_what_each_says_alone_and_whole(
    talker: Talker, pipeline: StreamingPipeline
) -> None:
    waveforms = [noise(20000 + 3000 * row, row) for row in range(NUM_STREAMS)]
    texts = [""] * NUM_STREAMS

    def talk(row: int) -> None:
        chunks = np.array_split(waveforms[row], 3 + row)
        texts[row] = talker.say_all(chunks, 1 + row)[-1].text

    threads = [threading.Thread(target=talk, args=(row,)) for row in range(NUM_STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    chunks = [Chunk(waveform, is_last=True) for waveform in waveforms]
    _, partials = pipeline.step([pipeline.start() for _ in chunks], chunks)
    assert texts == [partial.text for partial in partials]
    assert any(texts)


@pytest.mark.parametrize("suffix", RUNNERS)
@pytest.mark.parametrize("form", ["wenet_u2-positions"])
def test_a_stream_goes_on_where_the_positions_end(
    talker: Talker, pipeline: StreamingPipeline
) -> None:
    waveform = noise(12 * 16000)
    facts = pipeline.facts
    assert facts.max_windows is not None
    assert 3 * facts.max_windows * facts.hop < len(waveform)
    told = talker.say_all(np.array_split(waveform, 30), stream_id=100)
    _, (whole,) = pipeline.step([pipeline.start()], [Chunk(waveform, is_last=True)])
    assert told[-1].text == whole.text
    assert len(told[-1].text) > len(told[15].text) > 0
