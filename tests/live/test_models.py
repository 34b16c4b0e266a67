"""`auricle models` with a real tritonserver under explicit control."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auricle.audio import load
from auricle.client import Client, Patience
from auricle.server import Options, Server, control, free_ports, serve
from auricle.server.launch import local_endpoint
from tests.live.constant_load import constant_load
from tests.live.models import choose
from tests.live.processes import children, wait_until

pytestmark = pytest.mark.triton

AURICLE = str(Path(sys.executable).with_name("auricle"))


@pytest.fixture(scope="module")
def repository(demo_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo models, for this module alone."""
    return shutil.copytree(demo_repository, tmp_path_factory.mktemp("explicit") / "models")


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Server]:
    """Started with demo alone of the three models."""
    log_file = repository.parent / "triton.log"
    options = Options([repository], free_ports(), log_file=log_file, loads=["demo"])
    with serve(options) as server:
        yield server


def run_models(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [AURICLE, "models", *arguments, "--url", server.http_address]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_was_not_asked_for_is_listed_as_never_loaded(server: Server) -> None:
    assert server.models == ("demo",)
    listed = run_models(server).stdout.splitlines()
    assert re.fullmatch(r"\s*demo +1 +READY\s*", listed[1])
    assert re.fullmatch(r"\s*demo-bls +never loaded\s*", listed[2])
    entries = json.loads(run_models(server, "list", "--json").stdout)
    assert entries[0] == {"name": "demo", "version": "1", "state": "READY", "reason": ""}


@pytest.mark.parametrize(
    ("second", "names"),
    [("demo-bls", ["demo-bls__encoder", "demo-bls"]), ("demo-ctc", ["demo-ctc"])],
)
def test_a_second_model_comes_and_goes_beside_a_busy_first(
    server: Server, test_wavs: Path, second: str, names: list[str]
) -> None:
    num_stubs = len(children(server.process.pid))
    waveform = load(sorted(test_wavs.glob("*.wav"))[0], 16000)
    no_patience = Patience(attempts=1)
    with (
        Client(server.grpc_address, model="demo", patience=no_patience) as first,
        constant_load(lambda: first.transcribe(waveform).text, num_threads=2) as busy,
    ):
        assert wait_until(lambda: len(busy.texts) > 2, 20)
        assert run_models(server, "load", second).stdout == f"loaded: {', '.join(names)}\n"
        with Client(server.grpc_address, model=second, patience=no_patience) as other:
            texts = [other.transcribe(waveform).text for _ in range(5)]
        unloaded = run_models(server, "unload", second)
        assert unloaded.stdout == f"unloaded: {', '.join(reversed(names))}\n"
        before = len(busy.texts)
        assert wait_until(lambda: len(busy.texts) > before + 2, 20)
    assert busy.errors == []
    assert len(set(busy.texts)) == 1
    assert len(set(texts)) == 1
    if second == "demo-bls":
        assert texts[0] == busy.texts[0]
    assert wait_until(lambda: len(children(server.process.pid)) == num_stubs, 10)


def test_requests_under_way_end_well_when_their_model_is_unloaded(
    server: Server, test_wavs: Path
) -> None:
    waveform = load(sorted(test_wavs.glob("*.wav"))[0], 16000)
    control.load(local_endpoint(server.options), "demo-ctc")
    with (
        Client(server.grpc_address, model="demo-ctc", patience=Patience(attempts=1)) as client,
        constant_load(lambda: client.transcribe(waveform).text, num_threads=4) as busy,
    ):
        assert wait_until(lambda: len(busy.texts) > 4, 20)
        assert run_models(server, "unload", "demo-ctc").returncode == 0
    assert len(set(busy.texts)) == 1
    assert {type(error).__name__ for error in busy.errors} <= {"BusyError", "InvalidRequestError"}


def test_an_unknown_model_is_answered_with_those_that_are_there(server: Server) -> None:
    answer = run_models(server, "load", "dmeo")
    assert answer.returncode == 2
    assert "unknown model 'dmeo'; the repositories" in answer.stderr
    assert "demo-ctc" in answer.stderr


def test_a_model_that_cannot_load_says_why_and_harms_no_other(
    server: Server, repository: Path
) -> None:
    broken = repository / "broken"
    (broken / "1").mkdir(parents=True)
    config = (repository / "demo-ctc" / "config.pbtxt").read_text()
    (broken / "config.pbtxt").write_text(config.replace("demo-ctc", "broken"))
    (broken / "1" / "model.py").write_text("import no_such_package\n")
    answer = run_models(server, "load", "broken")
    assert answer.returncode == 1
    assert "did not load 'broken'" in answer.stderr
    assert "lacks the package no_such_package" in answer.stderr
    assert run_models(server, "list").stdout.count("READY") == 1
    assert local_endpoint(server.options).get("/v2/health/ready").is_ok


def test_an_unfit_config_is_one_sentence_and_the_loaded_model_stays(
    server: Server, repository: Path
) -> None:
    config = repository / "demo" / "config.pbtxt"
    whole = config.read_text()
    choose(config, decoding="attention_rescoring")
    answer = run_models(server, "load", "demo")
    config.write_text(whole)
    assert answer.returncode == 1
    assert re.fullmatch(
        r"auricle: the server at \S+ did not load 'demo': parameter decoding is "
        r"'attention_rescoring', but this icefall-transducer model knows greedy_search, "
        r"modified_beam_search\n",
        answer.stderr,
    )
    assert local_endpoint(server.options).get("/v2/models/demo/ready").is_ok


def test_bls_without_its_encoder_is_not_loaded(server: Server, repository: Path) -> None:
    copied = repository / "copied"
    shutil.copytree(repository / "demo-bls", copied)
    config = copied / "config.pbtxt"
    config.write_text(config.read_text().replace('"demo-bls"', '"copied"'))
    answer = run_models(server, "load", "copied")
    shutil.rmtree(copied)
    assert answer.returncode == 1
    assert "model 'copied' has runner bls, but its repository has no model 'copied__encoder'" in (
        answer.stderr
    )
    assert not local_endpoint(server.options).get("/v2/models/copied/ready").is_ok


def test_without_model_control_nothing_can_be_loaded(small_server: Server) -> None:
    answer = run_models(small_server, "unload", "deaf")
    assert answer.returncode == 1
    assert "whose models are fixed; `auricle serve --model-control explicit`" in answer.stderr


def test_a_server_may_start_with_an_empty_repository_under_control(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    options = Options([tmp_path / "models"], free_ports(), log_file=tmp_path / "log", loads=["*"])
    with serve(options) as server:
        assert server.models == ()
