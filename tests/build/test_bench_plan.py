"""TensorRT plans: what trtexec is asked, and what is read out of what it prints."""

import os
from pathlib import Path

import numpy as np
import pytest

from auricle.build.export.bench import experiment, plan
from auricle.build.export.bench.inputs import OFFLINE_PORTS, Port, Speech, make_inputs
from auricle.build.export.bench.plan import Plan
from auricle.build.export.bench.table import Timing
from auricle.errors import AuricleError, CheckpointError
from tests.build import bench_graphs

SPEECH = Speech([np.ones(100, np.float32)], 0.1)
# As trtexec 8.6 prints it, by a public log; FAILED is made up in the same form.
PRINTED = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --loadEngine=encoder.plan
[12/28/2023-10:51:12] [I] Average on 10 runs - GPU latency: 41.3408 ms - Host latency: 43.4249 ms
[12/28/2023-10:51:16] [I] === Performance summary ===
[12/28/2023-10:51:16] [I] Throughput: 24.4584 qps
[12/28/2023-10:51:16] [I] Latency: min = 39.4309 ms, max = 48.812 ms, mean = 42.6834 ms, \
median = 42.4526 ms, percentile(95%) = 47.5834 ms
[12/28/2023-10:51:16] [I] Enqueue Time: min = 37.2709 ms, max = 49.4214 ms, mean = 40.5248 ms, \
median = 40.3695 ms, percentile(95%) = 45.3137 ms
[12/28/2023-10:51:16] [I] GPU Compute Time: min = 37.3687 ms, max = 46.7526 ms, \
mean = 40.6098 ms, median = 40.3651 ms, percentile(95%) = 45.4991 ms
[12/28/2023-10:51:16] [I] Total GPU Compute Time: 3.08634 s
[12/28/2023-10:51:16] [W] * GPU compute time is unstable, with coefficient of variance = 5.58526%.
&&&& PASSED TensorRT.trtexec [TensorRT v8601] # trtexec --loadEngine=encoder.plan
"""
FAILED = """\
[12/28/2023-10:51:12] [W] a warning
[12/28/2023-10:51:12] [E] Error[3]: setInputShape: the batch 64 is beyond the profile
[12/28/2023-10:51:12] [E] Inference set up failed
&&&& FAILED TensorRT.trtexec [TensorRT v8601] # trtexec --loadEngine=encoder.plan
"""


def test_the_time_of_the_gpu_is_read_with_that_of_the_copies() -> None:
    assert plan.parse(PRINTED) == Timing(40.6098, 40.3651, 45.4991, 42.6834, is_one_run=False)


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        (FAILED, r"trtexec: Error\[3\]: setInputShape: the batch 64 is beyond the profile"),
        ("", "trtexec: it printed no 'GPU Compute Time'"),
        (PRINTED.replace("percentile(95%)", "percentile(99%)"), r"no 'percentile\(95%\)'"),
    ],
)
def test_a_run_without_figures_says_trtexecs_first_error(printed: str, sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        plan.parse(printed)


def test_trtexec_is_given_the_shapes_and_the_speech_itself(tmp_path: Path) -> None:
    ports = (*OFFLINE_PORTS, Port("BIAS_EMBED", np.float32, ("N", "H", 8)))
    inputs = make_inputs(ports, 4, SPEECH)
    asked = plan.command("trtexec", Path("encoder.plan"), inputs, tmp_path, 20)
    assert "--shapes=WAV:4x1600,WAV_LENS:4,BIAS_EMBED:4x1x8" in asked
    assert {"--iterations=20", "--percentile=95", "--loadEngine=encoder.plan"} <= set(asked)
    (loaded,) = (each for each in asked if each.startswith("--loadInputs="))
    assert loaded.split(",")[1] == f"WAV_LENS:{tmp_path / 'WAV_LENS'}"
    assert np.fromfile(tmp_path / "WAV_LENS", np.int32).tolist() == [1600] * 4
    assert len(np.fromfile(tmp_path / "WAV", np.float32)) == 4 * 1600


@pytest.fixture
def trtexec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name that writes its arguments down, and says what trtexec would."""
    (tmp_path / "printed").write_text(PRINTED)
    program = tmp_path / "trtexec"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {tmp_path}/printed\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


@pytest.mark.onnx
def test_a_plan_is_run_with_the_inputs_of_the_graph_beside_it(
    trtexec: Path, tmp_path: Path
) -> None:
    graph = bench_graphs.save_stream(tmp_path / "encoder.onnx", 700, 9)
    speech = Speech(SPEECH.waveforms, 10.0, hop_s=0.04)
    one = Plan("live", tmp_path / "encoder.plan", speech, graph, runs=50)
    ((row,),) = experiment.measure([one], [16], 50)
    assert (row.failure, row.seconds, len(row.rounds)) == (None, 0.04, 3)
    assert row.qps == pytest.approx(16 / 0.0406098)
    lines = (tmp_path / "asked").read_text().splitlines()
    assert len(lines) == 3
    assert "--shapes=CHUNK:16x700,STATE:16x9" in lines[0]
    assert "--iterations=50" in lines[0]


def test_a_batch_beyond_the_profile_is_told(trtexec: Path, tmp_path: Path) -> None:
    (tmp_path / "printed").write_text(FAILED)
    one = Plan("demo", tmp_path / "encoder.plan", SPEECH, None, runs=5)
    ((row,),) = experiment.measure([one], [64], 5)
    assert row.failure == "trtexec: Error[3]: setInputShape: the batch 64 is beyond the profile"


def test_without_trtexec_a_sentence_says_where_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(plan, "IMAGE_PATH", str(tmp_path))
    with pytest.raises(AuricleError, match=r"no trtexec on PATH .* inside the Triton image"):
        Plan("demo", tmp_path / "encoder.plan", SPEECH, None, runs=5).check()
