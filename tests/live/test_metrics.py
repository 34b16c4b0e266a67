"""The numbers on /metrics are those of what was sent."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve

from auricle.audio import Waveform
from auricle.server import Server
from tests.live.asking import Asker, audio
from tests.live.conftest import StartServer
from tests.live.scraping import scrape_after
from tests.live.test_bad_input import BAD

pytestmark = pytest.mark.triton

LENGTHS = (1600, 8000, 24000, 40001)
REFUSED_BY_TRITON = {"wrong dtype", "three axes"}  # they never reach the model


@pytest.fixture
def server(start_server: StartServer, demo_repository: Path) -> Server:
    """A fresh one: every counter is at 0."""
    return start_server(demo_repository)


@pytest.fixture
def client(server: Server) -> Iterator[kserve.InferenceServerClient]:
    with kserve.InferenceServerClient(server.grpc_address) as connected:
        yield connected


def noise(num_samples: int) -> Waveform:
    return np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)


@pytest.mark.parametrize("model", ["demo", "demo-bls", "demo-ctc"])
def test_metrics_count_what_was_sent(
    server: Server, client: kserve.InferenceServerClient, model: str
) -> None:
    asker = Asker(client, model)
    sent = [asker.send(audio([noise(length)])) for length in LENGTHS * 5]
    sent.append(asker.send(audio([noise(length) for length in LENGTHS])))
    for each in sent:
        each.result(60)
    bad = {kind: inputs for kind, (inputs, _) in BAD.items() if kind not in REFUSED_BY_TRITON}
    for inputs in bad.values():
        assert asker.send(inputs).exception(60)
    for parameters in ({"asr_sample_rate": 8000}, {"asr_beem": 4}):
        assert asker.send(audio([noise(1600)]), parameters=parameters).exception(60)
    page = scrape_after(server, model, 21 + 10)
    assert page.value("asr_utterances_total", model=model) == 24
    seconds = 6 * sum(LENGTHS) / 16000
    assert page.value("asr_audio_seconds_total", model=model) == pytest.approx(seconds, abs=1e-6)
    assert page.reasons(model) == {
        "amplitude": 3,
        "empty": 2,
        "lengths": 2,
        "sample_rate": 1,
        "too_long": 1,
        "unknown_parameter": 1,
    }
