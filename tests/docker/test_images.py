"""What the images hold, and what they weigh."""

import subprocess
import sys
import time

import docker
import pytest
from docker.models.images import Image

from tests.docker.project import IMAGES, ROOT

pytestmark = pytest.mark.docker
TRITON_IMAGE = "nvcr.io/nvidia/tritonserver:26.09-py3"
MEGABYTE = 1_000_000


def find_image(name: str) -> Image:
    return docker.from_env().images.get(name)


def megabytes(image: Image) -> float:
    return float(image.attrs["Size"]) / MEGABYTE


@pytest.fixture(scope="session")
def gpu_image(engine: None) -> Image:
    """The gpu target, on NVIDIA's image or on a stand-in for it."""
    try:
        base = find_image(TRITON_IMAGE)
    except docker.errors.ImageNotFound:
        pytest.skip(f"no {TRITON_IMAGE} here, and it is too large to fetch for a test")
    stand_in = base.labels.get("local.stand-in")
    if stand_in:
        assert sys.__stderr__
        sys.__stderr__.write(f"\ngpu target: built on a stand-in for {stand_in}, without CUDA\n")
    name = f"{IMAGES['AURICLE_SERVER_IMAGE']}:gpu"
    command = ["docker", "build", "--file", "Dockerfile.server", "--target", "gpu", "--tag", name]
    subprocess.run([*command, "."], cwd=ROOT, check=True, capture_output=True)
    return find_image(name)


def test_the_cpu_image_is_small(images: None) -> None:
    assert megabytes(find_image(IMAGES["AURICLE_SERVER_IMAGE"])) <= 700


def test_the_gpu_image_adds_little_to_its_base(gpu_image: Image) -> None:
    assert megabytes(gpu_image) - megabytes(find_image(TRITON_IMAGE)) <= 600


def test_the_gpu_image_serves_the_demo(gpu_image: Image) -> None:
    container = docker.from_env().containers.run(
        gpu_image,
        detach=True,
        read_only=True,
        tmpfs={"/tmp": ""},
        shm_size="512m",
        cap_drop=["ALL"],
    )
    try:
        deadline = time.monotonic() + 60
        while container.exec_run(["auricle", "health"])[0] and time.monotonic() < deadline:
            time.sleep(0.5)
        status, said = container.exec_run(["auricle", "health"])
        assert status == 0, said + container.logs()
    finally:
        container.remove(force=True)


@pytest.mark.parametrize("name", sorted(IMAGES.values()))
def test_no_image_holds_a_key_or_token(images: None, name: str) -> None:
    secrets = {"AURICLE_KEY", "HF_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    variables = find_image(name).attrs["Config"]["Env"] or []
    assert not secrets & {variable.split("=")[0] for variable in variables}
