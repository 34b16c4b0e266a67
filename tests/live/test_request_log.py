"""One whole line a request in the log of a real server, whichever instance served it."""

import contextlib
import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle.server import Options, Server, free_ports, serve

pytestmark = pytest.mark.triton

MODELS = ("demo", "demo-bls", "demo-ctc")
Line = dict[str, str | int | float | None]


@pytest.fixture(scope="module")
def server(demo_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three models, two instances each, that share one log."""
    log_file = tmp_path_factory.mktemp("logged") / "triton.log"
    options = Options([demo_repository], free_ports(), log_file=log_file, log_requests="1")
    with serve(options) as started:
        yield started


def ask(server: Server, model: str, request_id: str, num_samples: int) -> None:
    tensors = [
        kserve.InferInput("WAV", [1, 16000], "FP32"),
        kserve.InferInput("WAV_LENS", [1, 1], "INT32"),
    ]
    tensors[0].set_data_from_numpy(np.zeros((1, 16000), np.float32))
    tensors[1].set_data_from_numpy(np.array([[num_samples]], np.int32))
    with kserve.InferenceServerClient(server.grpc_address) as client:
        client.infer(model, tensors, request_id=request_id)


def lines_of(server: Server) -> dict[str, Line]:
    """By request id; a line that is not whole fails here."""
    assert server.options.log_file
    text = server.options.log_file.read_text()
    lines = [json.loads(line) for line in text.splitlines() if '"request_id"' in line]
    assert len(lines) == len({line["request_id"] for line in lines})
    return {line["request_id"]: line for line in lines}


def test_every_request_of_every_instance_has_a_whole_line(server: Server) -> None:
    wanted = [(model, f"{model}-{number}") for model in MODELS for number in range(60)]
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(lambda one: ask(server, one[0], one[1], 8000), wanted))
    lines = lines_of(server)
    for model, request_id in wanted:
        line = lines[request_id]
        assert (line["model"], line["status"], line["audio_seconds"]) == (model, "ok", 0.5)


def test_a_refusal_has_its_reason(server: Server) -> None:
    with pytest.raises(InferenceServerException):
        ask(server, "demo", "nothing", num_samples=0)
    line = lines_of(server)["nothing"]
    assert (line["status"], line["reason"]) == ("INVALID_ARG", "empty")
    assert line["error"] == "the audio is empty: 0 samples"


def test_a_request_whose_id_is_no_utf_8_is_served_and_logged(server: Server) -> None:
    wav = {"name": "WAV", "datatype": "FP32", "shape": [1, 8000], "data": [0.0] * 8000}
    request = {"id": "@", "inputs": [wav], "outputs": [{"name": "TRANSCRIPTS"}]}
    body = json.dumps(request).encode().replace(b"@", b"oops\xff")
    connection = http.client.HTTPConnection(server.http_address.split("//")[-1])
    with contextlib.closing(connection):
        connection.request("POST", "/v2/models/demo/infer", body)
        assert connection.getresponse().status == 200
    assert lines_of(server)["oops\N{REPLACEMENT CHARACTER}"]["status"] == "ok"


def test_a_server_that_was_not_asked_writes_none(demo_server: Server) -> None:
    ask(demo_server, "demo", "unseen", num_samples=8000)
    assert lines_of(demo_server) == {}
