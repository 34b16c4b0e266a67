"""How long the containers take to be built and to be ready, and what the images weigh.

    python benchmarks/containers.py --json docs/raw/containers.json

The base images must be there. It works on a copy of the last commit, under names of its own.
"""

import io
import json as json_format
import os
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parents[1]
IMAGE = "auricle-benchmark-server"
TRITON_IMAGE = "nvcr.io/nvidia/tritonserver:26.09-py3"
SETTINGS = {
    "COMPOSE_PROJECT_NAME": "auricle-benchmark",
    "AURICLE_SERVER_IMAGE": IMAGE,
    "AURICLE_HTTP_PORT": "18000",
    "AURICLE_GRPC_PORT": "18001",
    "AURICLE_METRICS_PORT": "18002",
}


@dataclass(frozen=True)
class Copy:
    """A clone as a user has it."""

    folder: Path

    def docker(self, *arguments: str) -> float:
        """Seconds that a docker command takes."""
        started = time.perf_counter()
        environment = {**os.environ, **SETTINGS}
        command = ["docker", *arguments]
        subprocess.run(command, cwd=self.folder, env=environment, check=True, capture_output=True)
        return time.perf_counter() - started

    def change_a_line(self) -> None:
        path = self.folder / "src" / "auricle" / "serve" / "pipeline.py"
        path.write_text(path.read_text() + "\n# one line more\n")


def measure(copy: Copy) -> dict[str, float]:
    figures = {"build_s": copy.docker("compose", "build", "--no-cache", "server")}
    figures["image_mb"] = megabytes(IMAGE)
    copy.change_a_line()
    figures["rebuild_s"] = copy.docker("compose", "build", "server")
    figures["up_to_ready_s"] = copy.docker("compose", "up", "--detach", "--wait")
    copy.docker("compose", "down", "--volumes")
    gpu = f"{IMAGE}:gpu"
    copy.docker("build", "--file", "Dockerfile.server", "--target", "gpu", "--tag", gpu, ".")
    figures["gpu_adds_mb"] = megabytes(gpu) - megabytes(TRITON_IMAGE)
    return {name: round(value, 1) for name, value in figures.items()}


def megabytes(image: str) -> float:
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", image]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) / 1e6


def main(json: Annotated[Path | None, typer.Option(help="Where the figures go.")] = None) -> None:
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree,
    ):
        tree.extractall(folder, filter="data")
        figures = measure(Copy(Path(folder)))
    text = json_format.dumps(figures, indent=2)
    typer.echo(text)
    if json:
        json.write_text(text + "\n")


if __name__ == "__main__":
    typer.run(main)
