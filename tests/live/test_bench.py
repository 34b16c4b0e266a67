"""A random checkpoint all the way: written, built, served, measured."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from auricle.build import random_checkpoint
from auricle.build.random_checkpoint.conformer import Shape
from auricle.cli import build, create_app
from auricle.server import Server
from tests.live.conftest import StartServer

pytestmark = pytest.mark.triton

SMALL = Shape(layers=2, dim=64, heads=4, feedforward=128, kernel=7, joiner_dim=64)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random") / "checkpoint"
    noise = np.random.default_rng(0).normal(-6, 3, (500, 80)).astype(np.float32)
    random_checkpoint.write(folder, [noise], SMALL)
    return folder


@pytest.fixture(scope="module")
def server(
    start_server: StartServer, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    repository = tmp_path_factory.mktemp("random_repository")
    build.run("icefall-transducer", name="random", repo=repository, checkpoint=checkpoint)
    return start_server(repository)


def bench(server: Server, audio: Path, *options: str) -> Result:
    arguments = ["bench", str(audio), "--url", server.grpc_address, *options]
    return CliRunner().invoke(create_app(), arguments)


def test_every_load_is_measured_and_every_transcript_right(
    server: Server, checkpoint: Path, test_wavs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    options = ("--seconds", "1:3", "--mixes", "8", "--concurrency", "1,4", "--rate", "20",
               "--repeat", "2", "--checkpoint", str(checkpoint), "--json", str(path))  # fmt: skip
    result = bench(server, test_wavs, *options)
    assert result.exit_code == 0, result.output
    record = json.loads(path.read_text(encoding="utf-8"))
    summaries = [each["summary"] for each in record["measured"]]
    loads = ["concurrency 1", "concurrency 4", "20 requests/s"]
    assert [each["load"] for each in summaries] == loads * 2
    for each in summaries:
        assert (each["requests"], each["failed"]) == (8, 0)
        assert each["compute_ms"] > 0
    assert all(each["efficiency"] > 0 for each in summaries if "concurrency" in each["load"])


def test_a_transcript_other_than_the_expected_one_fails_the_bench(
    server: Server, test_wavs: Path, tmp_path: Path
) -> None:
    trans = tmp_path / "text"
    names = sorted(path.stem for path in test_wavs.glob("*.wav"))
    trans.write_text("".join(f"{name} never said\n" for name in names), encoding="utf-8")
    result = bench(server, test_wavs, "--trans", str(trans), "--concurrency", "2")
    assert result.exit_code == 1
    assert f"| concurrency 2 | 1 | {len(names)} | {len(names)} |" in result.stdout
