"""A build by a recorder that stands for trtexec: whole or not at all, and recorded."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from auricle.build.export.graph import load_graph
from auricle.build.tensorrt.builder import Workspace, open_local
from auricle.build.tensorrt.flags import PlanOptions
from auricle.build.tensorrt.plan import PlanRequest, build_plan
from auricle.build.tensorrt.shapes import profiles_of
from auricle.errors import PlanError
from auricle.spec.plan import PlanRecord, load_plan
from tests.build.tensorrt.conftest import Recorder, wait_for

pytestmark = pytest.mark.onnx


PLAIN = PlanOptions()


def build(graph: Path, output: Path, options: PlanOptions = PLAIN) -> PlanRecord:
    profiles = profiles_of(load_graph(graph).inputs, (1, 2, 4), [(1600, 16000, 160000)])
    request = PlanRequest(graph, output, profiles, "fp32", options, "26.09")
    return build_plan(request, lambda _: open_local(), lambda _: None)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "plans" / "model.plan"


def left(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir())


def test_a_plan_has_its_record_beside_it(graph: Path, output: Path, recorder: Recorder) -> None:
    record = build(graph, output)
    assert left(output) == ["model.plan", "plan.json"]
    assert load_plan(output.with_name("plan.json")) == record
    assert (record.tensorrt, record.gpu, record.compute_capability) == (
        "10.16.0", "NVIDIA H200", "9.0",
    )  # fmt: skip
    assert (record.triton_tag, record.precision) == ("26.09", "fp32")
    assert record.command[1:] == recorder.asked
    sums = subprocess.run(["sha256sum", graph, output], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in sums.stdout.splitlines()] == [
        record.graph_sha256, record.plan_sha256,
    ]  # fmt: skip


@pytest.mark.parametrize(("banner", "version"), [("101600", "10.16.0"), ("110100", "11.1.0")])
def test_what_trtexec_is_decides_what_it_is_told(
    graph: Path, output: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch,
    banner: str, version: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("RECORDER_VERSION", banner)
    assert build(graph, output).tensorrt == version
    assert ("--stronglyTyped" in recorder.asked) == version.startswith("10.")


def test_an_older_plan_survives_a_failure(
    graph: Path, output: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(graph, output)
    before = {path.name: path.read_bytes() for path in output.parent.iterdir()}
    monkeypatch.setenv("RECORDER_EXIT", "1")
    with pytest.raises(PlanError, match=r"exit code 1; its last lines:(.|\n)*Skipping tactic"):
        build(graph, output)
    assert {path.name: path.read_bytes() for path in output.parent.iterdir()} == before


def test_a_kill_is_told_from_a_failure(
    graph: Path, output: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDER_EXIT", "137")
    with pytest.raises(PlanError, match="it was killed, perhaps for want of memory"):
        build(graph, output)
    assert left(output) == []


def test_a_trtexec_that_says_it_is_well_but_wrote_nothing_is_not_believed(
    graph: Path, output: Path, recorder: Recorder
) -> None:
    script = recorder.folder / "trtexec"
    script.write_text(script.read_text().replace('cp "$graph" "$plan"', ': >"$plan"'))
    with pytest.raises(PlanError, match="wrote no plan"):
        build(graph, output)
    assert left(output) == []


def test_no_gpu_no_plan(
    graph: Path, output: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDER_NO_GPU", "1")
    with pytest.raises(PlanError, match=r"no GPU in this machine(.|\n)*NVIDIA-SMI has failed"):
        build(graph, output)
    assert recorder.asked == []


def test_what_it_does_not_know_is_refused_before_it_builds(
    graph: Path, output: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDER_VERSION", "110100")
    with pytest.raises(PlanError, match="does not know --restricted"):
        build(graph, output, PlanOptions(extra=("--restricted",)))
    assert recorder.asked == []


def test_the_timing_cache_is_kept_by_version_and_gpu(
    graph: Path, output: Path, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(graph, output)
    folder = tmp_path / "cache" / "auricle" / "tensorrt"
    assert [path.name for path in folder.iterdir()] == ["10.16.0-NVIDIA-H200.cache"]
    monkeypatch.setenv("RECORDER_EXIT", "1")
    monkeypatch.setenv("RECORDER_GPU", "NVIDIA L4, 8.9")
    with pytest.raises(PlanError):
        build(graph, output)
    assert [path.read_text() for path in folder.iterdir()] == ["times\n"]


def test_without_trtexec_there_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PlanError, match=r"no trtexec on PATH.*leave --local out"):
        open_local()


def test_everything_is_a_path_of_this_machine(recorder: Recorder, tmp_path: Path) -> None:
    builder = open_local()
    assert builder.path(Workspace(tmp_path, tmp_path).draft) == str(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(
    graph: Path, output: Path, recorder: Recorder, number: signal.Signals
) -> None:
    code = "from auricle.cli import main; main()"
    command = [sys.executable, "-c", code, "tensorrt", "build", str(graph), "--output"]
    process = subprocess.Popen(
        [*command, str(output), "--no-compare"], env={**os.environ, "RECORDER_SLEEP": "60"},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: output.parent.is_dir() and any(output.parent.glob(".*/model.plan")))
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert left(output) == []
    assert not running("sleep 60")


def running(command: str) -> list[str]:
    """Of our own session's processes."""
    lines = [
        path.read_bytes().replace(b"\0", b" ").decode().strip()
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists()
    ]
    return [line for line in lines if line == command]
