"""The numbers on /metrics are those of what was sent; docs/metrics.md names all of them."""

import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve

from auricle import access
from auricle.audio import Waveform
from auricle.serve.backend.outcomes import REASONS
from auricle.serve.planning import plan_sub_batches
from auricle.server import Options, Server, free_ports, serve
from auricle.spec import Choices
from tests.conftest import ROOT
from tests.live.asking import Asker, audio
from tests.live.conftest import StartServer
from tests.live.processes import wait_until
from tests.live.scraping import scrape, scrape_after
from tests.live.test_bad_input import BAD

pytestmark = pytest.mark.triton

LENGTHS = (1600, 8000, 24000, 40001)
REFUSED_BY_TRITON = {"wrong dtype", "three axes"}  # they never reach the model
UNFIT: dict[str, str | float] = {
    "asr_sample_rate": 8000,
    "asr_beem": 4,
    "asr_decoding": "beam",
    "asr_language": "en",
    "asr_text_norm": "withitn",
    "asr_hotwords": "ß",
    "asr_beam": 0,
    "asr_lm_weight": 0.5,
    "asr_itn": "fr",
}
LONG = np.random.default_rng(0).normal(0, 0.1, 50 * 16000).astype(np.float32)
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
PENDING = "nv_inference_pending_request_count"
MakeAsker = Callable[[Server, str], Asker]


@pytest.fixture(scope="module")
def server(start_server: StartServer, demo_repository: Path) -> Server:
    """A fresh one: every counter is at 0."""
    return start_server(demo_repository)


@pytest.fixture(scope="module")
def batching_server(
    start_server: StartServer, demo_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """One instance that takes one request at a time, with sub-batches of four."""
    folder = tmp_path_factory.mktemp("batching") / "demo"
    shutil.copytree(demo_repository / "demo", folder)
    text = (folder / "config.pbtxt").read_text()
    text = re.sub(r"count: \d+", "count: 1", text)
    text = re.sub(r"preferred_batch_size: \d+", "preferred_batch_size: 1", text)
    for name, value in {"max_sub_batch": "4", "max_padding": "0.5"}.items():
        pattern = rf'(key: "{name}"\s+value \{{\s+string_value: ")[^"]*'
        text, count = re.subn(pattern, rf"\g<1>{value}", text)
        assert count == 1
    (folder / "config.pbtxt").write_text(text)
    return start_server(folder.parent)


@pytest.fixture
def make_asker() -> Iterator[MakeAsker]:
    clients = []

    def make(server: Server, model: str) -> Asker:
        clients.append(kserve.InferenceServerClient(server.grpc_address))
        return Asker(clients[-1], model)

    yield make
    for client in clients:
        client.close()


def noise(num_samples: int) -> Waveform:
    return np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)


@pytest.mark.parametrize("model", ["demo", "demo-bls", "demo-ctc"])
def test_metrics_count_what_was_sent(server: Server, make_asker: MakeAsker, model: str) -> None:
    asker = make_asker(server, model)
    sent = [asker.send(audio([noise(length)])) for length in LENGTHS * 5]
    sent.append(asker.send(audio([noise(length) for length in LENGTHS])))
    for each in sent:
        each.result(60)
    bad = [inputs for kind, (inputs, _) in BAD.items() if kind not in REFUSED_BY_TRITON]
    for inputs in bad:
        assert asker.send(inputs).exception(60)
    for name, value in UNFIT.items():
        assert asker.send(audio([noise(1600)]), parameters={name: value}).exception(60)
    num_requests = len(sent) + len(bad) + len(UNFIT)
    page = scrape_after(server, model, num_requests)
    assert page.value("asr_utterances_total", model=model) == 24
    seconds = 6 * sum(LENGTHS) / 16000
    assert page.value("asr_audio_seconds_total", model=model) == pytest.approx(seconds, abs=1e-6)
    assert page.errors(model) == {
        "amplitude": 3,
        "beam": 1,
        "decoding": 1,
        "empty": 2,
        "hotwords": 1,
        "itn": 1,
        "language": 1,
        "lengths": 2,
        "lm": 1,
        "sample_rate": 1,
        "text_norm": 1,
        "too_long": 1,
        "unknown_parameter": 1,
    }
    answered = page.value("nv_inference_request_success", model=model, version="1")
    assert answered == num_requests  # the errors too


def test_batch_fill_is_that_of_the_plan(batching_server: Server, make_asker: MakeAsker) -> None:
    asker, before = make_asker(batching_server, "demo"), scrape(batching_server)
    asker.send(audio([noise(length) for length in LENGTHS])).result(60)
    choices = Choices(max_sub_batch=4, max_padding=0.5)
    plan = plan_sub_batches(LENGTHS, choices, 16000)
    padded = sum(max(LENGTHS[row] for row in rows) * len(rows) for rows in plan)
    requests = before.value("asr_requests_total", model="demo") + 1
    page = scrape_after(batching_server, "demo", int(requests))
    assert len(plan) < len(LENGTHS)
    assert page.value("asr_encoder_runs_total", model="demo") == len(plan)
    assert page.value("asr_padding_seconds_total", model="demo") == pytest.approx(
        (padded - sum(LENGTHS)) / 16000, abs=1e-6
    )


def test_waiting_and_expired_requests_show_in_tritons_own_numbers(
    batching_server: Server, make_asker: MakeAsker
) -> None:
    asker, before = make_asker(batching_server, "demo"), scrape(batching_server)
    labels = {"model": "demo", "version": "1"}
    sent = [asker.send(audio([LONG])) for _ in range(4)]
    late = asker.send(audio([LONG]), timeout_us=1000)
    pending = [0.0]
    while not sent[-1].answer.done():
        pending.append(scrape(batching_server).value(PENDING, **labels))
    assert late.exception(60)
    requests = before.value("asr_requests_total", model="demo") + 4
    page = scrape_after(batching_server, "demo", int(requests))
    assert 2 <= max(pending) <= 5
    assert page.value("nv_inference_request_failure", reason="REJECTED", **labels) == 1
    waited = "nv_inference_queue_duration_us"
    assert page.value(waited, **labels) > before.value(waited, **labels) + 50_000


def test_the_docs_name_every_metric_of_ours_and_no_other(server: Server) -> None:
    named = set(re.findall(r"\basr_\w+_(?:total|streams)\b", PAGE))
    of_utterances = {name for name in named if "streams" not in name}
    assert of_utterances == {name for name in scrape(server).names() if name.startswith("asr_")}


def test_the_docs_name_every_reason_and_no_other() -> None:
    table = PAGE.split("| reason |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(REASONS)


def test_every_metric_of_triton_that_the_docs_name_is_there(server: Server) -> None:
    gpu_or_newer = PAGE.split("## What this Triton lacks")[1]
    named = set(re.findall(r"\bnv_\w+", PAGE.replace(gpu_or_newer, "")))
    assert named <= scrape(server).names()


def test_counters_outlive_a_reload_and_leave_with_the_model(
    demo_repository: Path, tmp_path: Path, make_asker: MakeAsker
) -> None:
    config = tmp_path / "models" / "demo" / "config.pbtxt"
    shutil.copytree(demo_repository / "demo", config.parent)
    log_file = tmp_path / "log"
    options = Options([config.parents[1]], ports=free_ports(), log_file=log_file, loads=["demo"])
    with serve(options) as server:
        asker = make_asker(server, "demo")
        sent = [asker.send(audio([LONG])) for _ in range(8)]
        config.write_text(config.read_text() + "# changed, so that a load is a reload\n")
        control(server, "load")
        for each in sent:
            each.result(60)
        scrape_after(server, "demo", 8)
        control(server, "unload")
        assert wait_until(lambda: not any("asr_" in name for name in scrape(server).names()), 10)
        control(server, "load")
        scrape_after(server, "demo", 0)
    assert "Traceback" not in log_file.read_text()
    assert server.process.returncode == 0


def control(server: Server, what: str) -> None:
    url = f"http://{server.http_address}/v2/repository/models/demo/{what}"
    headers = {access.HTTP_HEADER: access.find_key()}
    request = urllib.request.Request(url, b"{}", headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
