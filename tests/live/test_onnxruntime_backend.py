"""The backend `onnxruntime` in a real tritonserver."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from auricle.errors import ServerError
from auricle.server import Server
from auricle.server.http import Json
from tests.live import models
from tests.live.conftest import StartServer
from tests.live.requests import Reply, audio, infer

pytestmark = pytest.mark.triton


def infer_at_once(server: Server, batches: list[list[Json]], outputs: list[str]) -> list[Reply]:
    """All of them within the 300 ms that the model waits for a batch."""
    with ThreadPoolExecutor(len(batches)) as threads:
        return list(threads.map(partial(infer, server, "graph", outputs=outputs), batches))


def test_a_reshape_of_the_config_is_honoured(small_server: Server) -> None:
    reply = infer(small_server, "graph", audio([[1, 2, 3], [4, 5, 6]], [3, 2]))
    assert reply.outputs == {"LAST": [3, 5], "OUT_LENS": [6, 4], "ROWS": [2, 2]}
    assert reply.shapes == {"LAST": [2, 1], "OUT_LENS": [2, 1], "ROWS": [2, 1]}


def test_only_what_is_asked_for_returns(small_server: Server) -> None:
    reply = infer(small_server, "graph", audio([[1, 2]], [2]), ["OUT_LENS"])
    assert reply.outputs == {"OUT_LENS": [4]}


def test_requests_of_equal_shapes_share_a_run(small_server: Server) -> None:
    batches = [audio([[i, i + 1]], [2]) for i in range(3)] + [audio([[7, 8], [8, 9]], [1, 2])]
    replies = infer_at_once(small_server, batches, ["LAST", "ROWS"])
    assert [reply.outputs["LAST"] for reply in replies] == [[1], [2], [3], [7, 9]]
    assert {rows for reply in replies for rows in reply.outputs["ROWS"]} == {5}


def test_requests_of_other_shapes_run_apart(small_server: Server) -> None:
    batches = [audio([[1, 2]], [2]), audio([[3, 4, 5]], [3]), audio([[6, 7]], [1])]
    replies = infer_at_once(small_server, batches, ["LAST", "ROWS"])
    assert [reply.outputs["LAST"] for reply in replies] == [[2], [5], [6]]
    assert [reply.outputs["ROWS"] for reply in replies] == [[2], [1], [2]]


def test_requests_that_ask_for_other_outputs_share_a_run(small_server: Server) -> None:
    ask = partial(infer, small_server, "graph", audio([[1, 2]], [2]))
    with ThreadPoolExecutor(2) as threads:
        replies = list(threads.map(ask, [["ROWS"], ["LAST", "ROWS"]]))
    assert [reply.outputs for reply in replies] == [{"ROWS": [2]}, {"LAST": [2], "ROWS": [2]}]


def test_a_bad_request_fails_alone(small_server: Server) -> None:
    batches = [audio([[1, 2]], [2]), audio([[3, 4]], [99]), audio([[5, 6]], [1])]
    good, bad, fine = infer_at_once(small_server, batches, ["LAST"])
    assert (good.outputs, fine.outputs) == ({"LAST": [2]}, {"LAST": [5]})
    assert bad.status == 500
    assert "Out of range value in index tensor" in bad.error


def test_inputs_that_the_graph_does_not_take_are_the_callers_error(small_server: Server) -> None:
    reply = infer(small_server, "picky_graph", audio([[1, 2]], [2]))
    assert reply.status == 400
    assert "Got: 2 Expected: 160" in reply.error


def test_a_python_model_calls_a_graph(small_server: Server) -> None:
    reply = infer(small_server, "caller", audio([[1, 2, 3], [4, 5, 6]], [1, 2]))
    assert reply.outputs == {"OUT_LENS": [2, 4], "LAST": [1, 5]}
    assert reply.shapes == {"OUT_LENS": [2, 1], "LAST": [2, 1]}


def test_another_file_name_is_taken_from_the_config(
    start_server: StartServer, tmp_path: Path
) -> None:
    config = models.GRAPH_CONFIG + 'default_model_filename: "encoder.onnx"'
    models.write_graph(tmp_path, "graph", models.last_sample_graph(), config, "encoder.onnx")
    reply = infer(start_server(tmp_path), "graph", audio([[1, 2]], [2]), ["LAST"])
    assert reply.outputs == {"LAST": [2]}


@pytest.mark.parametrize(
    ("written", "instead", "sentence"),
    [
        ('name: "LAST"', 'name: "FIRST"', "known: ['LAST', 'OUT_LENS', 'ROWS']"),
        ('name: "WAV"', 'name: "SPEECH"', "known: ['WAV', 'WAV_LENS']"),
        ('string_value: "1"', 'string_value: "many"', "intra_op_thread_count is 'many'"),
    ],
)
def test_a_config_that_does_not_fit_the_graph_says_what_is_known(
    start_server: StartServer, tmp_path: Path, written: str, instead: str, sentence: str
) -> None:
    config = models.GRAPH_CONFIG.replace(written, instead).split("model_warmup")[0]
    models.write_graph(tmp_path, "graph", models.last_sample_graph(), config)
    with pytest.raises(ServerError) as caught:
        start_server(tmp_path)
    assert sentence in str(caught.value)
