"""Graphs alone over batch sizes: what they are given, how they take turns, what fails."""

import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto

from auricle.build.export.bench import experiment, memory, onnx_graph, table
from auricle.build.export.bench.inputs import OFFLINE_PORTS, Port, Speech, make_inputs, seconds_of
from auricle.build.export.bench.onnx_graph import OnnxGraph
from auricle.build.export.bench.table import Row, Timing
from auricle.errors import AuricleError, CheckpointError
from tests.build import bench_graphs

SPEECH = Speech([np.arange(1, 1001, dtype=np.float32)], 0.1)
has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()


def test_a_row_is_the_audio_again_and_again_from_its_own_place() -> None:
    rows = SPEECH.rows(3, 2500)
    assert rows.shape == (3, 2500)
    assert len({row[0] for row in rows}) == 3
    steps = np.diff(rows, axis=1)
    assert set(np.unique(steps)) == {1, -999}
    np.testing.assert_array_equal(rows, SPEECH.rows(3, 2500))


def test_an_offline_encoder_gets_whole_rows_of_audio() -> None:
    inputs = make_inputs(OFFLINE_PORTS, 4, SPEECH)
    assert inputs["WAV"].shape == (4, 1600)
    assert inputs["WAV_LENS"].tolist() == [1600] * 4
    assert inputs["WAV_LENS"].dtype == np.int32
    assert seconds_of(inputs, SPEECH) == 0.1


def test_a_graph_of_one_length_gets_that_length() -> None:
    ports = (Port("WAV", np.float16, ("N", 480)), OFFLINE_PORTS[1])
    inputs = make_inputs(ports, 2, SPEECH)
    assert inputs["WAV"].shape == (2, 480)
    assert inputs["WAV"].dtype == np.float16
    assert inputs["WAV_LENS"].tolist() == [480, 480]
    assert seconds_of(inputs, SPEECH) == 0.03


@pytest.mark.parametrize("hop_s", [0.32, None])
def test_a_step_of_a_stream_brings_its_hop_and_begins_with_zeros(hop_s: float | None) -> None:
    ports = (Port("CHUNK", np.float32, ("N", 700)), Port("STATE", np.float32, ("N", 9)))
    speech = Speech(SPEECH.waveforms, 10.0, hop_s=hop_s)
    inputs = make_inputs(ports, 2, speech)
    assert inputs["CHUNK"].shape == (2, 700)
    assert inputs["CHUNK"].any()
    np.testing.assert_array_equal(inputs["STATE"], np.zeros((2, 9)))
    assert seconds_of(inputs, speech) == hop_s


def test_what_is_asked_beside_the_audio_has_its_default() -> None:
    ports = (*OFFLINE_PORTS, Port("LANGUAGE", np.int32, ("N",)),
             Port("BIAS_EMBED", np.float32, ("N", "H", 8)))  # fmt: skip
    inputs = make_inputs(ports, 2, Speech(SPEECH.waveforms, 0.1, beside={"LANGUAGE": 3}))
    assert inputs["LANGUAGE"].tolist() == [3, 3]
    assert inputs["BIAS_EMBED"].shape == (2, 1, 8)


@dataclass(frozen=True)
class Scripted:
    """Fails at batches of `beyond` and more; writes down when it runs."""

    name: str
    log: list[str] = field(default_factory=list)
    beyond: int = 1000
    error: type[Exception] = CheckpointError
    provider: str = "cuda"
    warm_up: int = 1
    most: int | None = None

    def check(self) -> None:
        pass

    def open(self, batch: int) -> tuple[float | None, Callable[[], Timing]]:
        def run() -> Timing:
            if batch >= self.beyond:
                raise self.error(f"{self.name} takes\nno {batch}")
            self.log.append(f"{self.name}{batch}")
            return table.of_run(0.001 * len(self.log))

        return 2.0, run


def test_graphs_run_in_turn_and_the_first_round_does_not_count() -> None:
    log: list[str] = []
    contenders = [Scripted("a", log), Scripted("b", log, warm_up=0, most=1)]
    rows = [row for found in experiment.measure(contenders, [1, 2], 2) for row in found]
    assert log == ["a1", "b1", "a1", "a1", "a2", "b2", "a2", "a2"]
    assert [(row.graph, row.batch, len(row.rounds)) for row in rows] == [
        ("a", 1, 2), ("b", 1, 1), ("a", 2, 2), ("b", 2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("error", [CheckpointError, MemoryError])
def test_a_batch_that_fails_is_told_and_the_others_go_on(error: type[Exception]) -> None:
    contenders = [Scripted("a", beyond=8, error=error), Scripted("b")]
    rows = [row for found in experiment.measure(contenders, [1, 8], 3) for row in found]
    assert [row.failure for row in rows] == [None, None, "a takes no 8", None]
    assert [len(row.rounds) for row in rows] == [3, 3, 0, 3]


def test_a_slow_graph_has_three_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "PATIENCE_S", 0.0)
    ((row,),) = experiment.measure([Scripted("a")], [1], 20)
    assert len(row.rounds) == 3


@pytest.mark.onnx
def test_every_round_of_a_real_graph_takes_time(tmp_path: Path) -> None:
    graph = OnnxGraph("any", bench_graphs.save_any(tmp_path / "any.onnx"), SPEECH)
    found = list(experiment.measure([graph], [1, 4], 5))
    assert [len(row.rounds) for (row,) in found] == [5, 5]
    assert all(row.latency and row.latency.mean_ms > 0 for (row,) in found)
    assert all(row.seconds == 0.1 and row.failure is None for (row,) in found)


@pytest.mark.onnx
def test_a_stream_of_a_real_graph_runs(tmp_path: Path) -> None:
    path = bench_graphs.save_stream(tmp_path / "stream.onnx", 700, 9)
    speech = Speech(SPEECH.waveforms, 10.0, hop_s=0.04)
    ((row,),) = experiment.measure([OnnxGraph("stream", path, speech)], [3], 2)
    assert (row.failure, row.seconds, len(row.rounds)) == (None, 0.04, 2)


@pytest.mark.onnx
def test_a_bound_of_a_graph_is_told_for_its_batch_only(tmp_path: Path) -> None:
    graph = OnnxGraph("bounded", bench_graphs.save_bounded(tmp_path / "b.onnx", 2), SPEECH)
    rows = [row for (row,) in experiment.measure([graph], [1, 2, 4], 2)]
    assert [row.failure is None for row in rows] == [False, True, False]
    assert (rows[0].failure or "").startswith("Reshape: input_shape_size == requested_shape_size")


@pytest.mark.onnx
def test_a_batch_beyond_the_memory_is_told_and_does_not_end_the_process(tmp_path: Path) -> None:
    free = memory.free_bytes()
    assert free
    factor = int(1.2 * free / (4 * 1600))
    graph = OnnxGraph("greedy", bench_graphs.save_greedy(tmp_path / "g.onnx", factor), SPEECH)
    ((row,),) = experiment.measure([graph], [1], 1)
    assert row.failure is not None
    assert row.failure.startswith("ConstantOfShape: Failed to allocate memory")


def test_the_bound_of_memory_ends_with_its_block() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with memory.limited_memory():
        assert resource.getrlimit(resource.RLIMIT_AS) != before
        with pytest.raises(MemoryError):
            np.empty(memory.free_bytes() or 0, np.float64)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with memory.limited_memory(applies=False):
        assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.onnx
def test_an_input_of_other_numbers_is_told(tmp_path: Path) -> None:
    path = bench_graphs.save_any(tmp_path / "any.onnx", TensorProto.DOUBLE)
    ((row,),) = experiment.measure([OnnxGraph("any", path, SPEECH)], [1], 1)
    assert row.failure is not None
    assert row.failure.startswith("input WAV is a tensor(double); known: tensor(float), ")


def test_what_an_image_of_a_server_lacks_is_not_imported() -> None:
    code = (
        "import sys, auricle.cli.bench.graphs, auricle.build.export.bench.plan, "
        "auricle.build.export.bench.experiment, auricle.build.export.bench.onnx_graph; "
        "print([m for m in ('onnx', 'kaldi_native_fbank', 'soundfile') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.onnx
def test_what_is_no_graph_is_told(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    path.write_text("no graph")
    ((row,),) = experiment.measure([OnnxGraph("no", path, SPEECH)], [1], 1)
    assert row.failure is not None
    assert row.failure.startswith("ONNX Runtime cannot load ")


@pytest.mark.skipif(has_cuda, reason="this onnxruntime has CUDA")
def test_cuda_that_is_not_there_is_a_sentence_before_the_run() -> None:
    graph = OnnxGraph("any", Path("any.onnx"), SPEECH, "cuda")
    with pytest.raises(AuricleError, match=r"runs nothing by CUDA .* install onnxruntime-gpu"):
        graph.check()


@pytest.mark.onnx
@pytest.mark.skipif(has_cuda, reason="this onnxruntime has CUDA")
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnxruntime_falling_back_to_the_cpu_is_no_measurement_of_cuda(tmp_path: Path) -> None:
    path = bench_graphs.save_any(tmp_path / "any.onnx")
    with pytest.raises(AuricleError, match="fell back to the CPU"):
        OnnxGraph("any", path, SPEECH, "cuda").open(1)


def test_cuda_searches_no_convolutions_exhaustively() -> None:
    assert onnx_graph.CUDA[1] == {"cudnn_conv_algo_search": "HEURISTIC"}


def test_figures_are_of_all_runs() -> None:
    row = Row("a", "cpu", 8, 10.0, [table.of_run(ms / 1000) for ms in (10, 20, 20, 30)])
    assert row.latency is not None
    assert (row.latency.mean_ms, row.latency.p50_ms) == (20, 20)
    assert row.latency.p95_ms == pytest.approx(28.5)
    assert (row.least_ms, row.qps, row.throughput) == (10, 400, 4000)
    assert row.record()["rounds"] == [10, 20, 20, 30]


def test_sums_of_a_program_are_summed_up_by_their_medians() -> None:
    sums = [Timing(mean, mean - 1, mean + 5, mean + 1, is_one_run=False) for mean in (7, 9, 30)]
    latency = Row("a", "tensorrt", 1, 1.0, sums).latency
    assert latency == Timing(9, 8, 14, is_one_run=False)


def test_a_table_says_what_failed_where_the_figures_would_be() -> None:
    rows = [
        Row("a", "cpu", 8, 10.0, [table.of_run(0.02)]),
        Row("a", "cpu", 16, None, [table.of_run(0.02)]),
        Row("b", "cpu", 8, failure="no | memory"),
    ]
    assert table.markdown(rows).splitlines()[2:] == [
        "| a | cpu | 8 | 10 | 1 | 20.00 | 20.00 | 20.00 | 20.00 | 400.0 | 4000.0 |",
        "| a | cpu | 16 | - | 1 | 20.00 | 20.00 | 20.00 | 20.00 | 800.0 | - |",
        "| b | cpu | 8 | - | 0 | failed: no / memory | - | - | - | - | - |",
    ]
