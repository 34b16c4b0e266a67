"""trtexec in a container of the Triton image that will serve the plan."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container
from docker.types import DeviceRequest, Mount

from auricle.build.tensorrt.builder import IN_IMAGE, Outcome, Tell, Workspace
from auricle.errors import PlanError

IMAGE = "nvcr.io/nvidia/tritonserver:{tag}-py3"
GRAPHS, DRAFT = "/graphs", "/draft"
NOT_FOUND = 127  # what a shell and a runtime say of a command that is not there
TIMEOUT_S = 600.0  # between two signs of life of the engine, as of one that unpacks an image
TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/"


@dataclass(frozen=True)
class ContainerBuilder:
    """A container for each command, as this user, without a network.

    gpu: index or UUID, of one GPU; None asks Docker for none.
    """

    client: docker.DockerClient
    image: str
    gpu: str | None
    workspace: Workspace
    trtexec: str = IN_IMAGE

    @property
    def place(self) -> str:
        return self.image

    def path(self, path: Path) -> str:
        for folder, there in ((self.workspace.draft, DRAFT), (self.workspace.graphs, GRAPHS)):
            if path.is_relative_to(folder):
                return f"{there}/{path.relative_to(folder).as_posix()}"
        raise AssertionError(f"{path} is not in the workspace")

    def run(self, command: Sequence[str], tell: Tell) -> Outcome:
        with self._container(command) as container:
            try:
                container.start()
            except APIError as error:
                return self._refused(error)
            lines = []
            try:
                for line in _lines(container.logs(stream=True, follow=True)):
                    lines.append(line)
                    tell(line)
                return Outcome(tuple(lines), int(container.wait()["StatusCode"]))
            except (DockerException, OSError) as error:  # requests' errors are OSErrors
                raise PlanError(f"Docker left while {command[0]} ran: {error}") from error

    @contextmanager
    def _container(self, command: Sequence[str]) -> Iterator[Container]:
        """Created, and removed in any case: a Ctrl-C does not reach it by itself."""
        try:
            container = self._create(command)
        except DockerException as error:
            raise PlanError(f"Docker cannot create a container of {self.image}: {error}") from error
        try:
            yield container
        finally:
            with suppress(DockerException):  # somebody else was faster
                container.remove(force=True)

    def _create(self, command: Sequence[str]) -> Container:
        return self.client.containers.create(
            self.image,
            command=list(command[1:]),
            entrypoint=[command[0]],  # the image's own prints a page about itself
            user=self._user(),
            network_mode="none",
            mounts=[
                Mount(GRAPHS, str(self.workspace.graphs), type="bind", read_only=True),
                Mount(DRAFT, str(self.workspace.draft), type="bind"),
            ],
            working_dir=DRAFT,
            device_requests=self._devices(),
            labels={"auricle": "tensorrt"},
        )

    def _user(self) -> str:
        """So that what it writes is ours; a rootless engine's root is the caller."""
        is_rootless = "name=rootless" in self.client.info().get("SecurityOptions", [])
        return "0:0" if is_rootless else f"{os.getuid()}:{os.getgid()}"

    def _devices(self) -> list[DeviceRequest]:
        if self.gpu is None:
            return []
        return [DeviceRequest(device_ids=[self.gpu], capabilities=[["gpu"]])]

    def _refused(self, error: APIError) -> Outcome:
        """A command that the image lacks is an answer; all else is the engine's own trouble."""
        text = str(error.explanation or error)
        if "no such file" in text or "not found" in text:
            return Outcome((text,), NOT_FOUND)
        if "device driver" in text or "nvidia" in text.lower():
            raise PlanError(
                f"Docker has no way to the GPU ({text}); install NVIDIA's container toolkit, "
                f"{TOOLKIT}, and see `auricle doctor --gpu`"
            ) from error
        raise PlanError(f"Docker cannot start {self.image}: {text}") from error


def open_container(tag: str, gpu: str | None, workspace: Workspace, tell: Tell) -> ContainerBuilder:
    """PlanError without an engine, or an image that cannot be pulled."""
    image = IMAGE.format(tag=tag.removesuffix("-py3"))
    try:
        client = docker.from_env(timeout=TIMEOUT_S)
        client.ping()
    except DockerException as error:
        raise PlanError(
            f"no Docker engine answers ({error}); start one, or run this inside {image} with "
            "--local"
        ) from error
    try:
        client.images.get(image)
    except ImageNotFound:
        tell(f"pulling {image}, which takes a while")
        _pull(client, image)
    return ContainerBuilder(client, image, gpu, workspace)


def _pull(client: docker.DockerClient, image: str) -> None:
    try:
        client.images.pull(image)
    except DockerException as error:
        raise PlanError(f"cannot pull {image}: {error}; see --triton-tag") from error


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines, of chunks that end anywhere."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace").rstrip("\r") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
