"""Look at a host before anything is started on it: what was found, and what to do.

Every check is a plain function over what was read; nothing is started, written or downloaded.
"""

from dataclasses import dataclass
from enum import Enum
from shutil import which

from auricle.doctor import containers, gpu, laptop, machine
from auricle.doctor.finding import Finding, Level
from auricle.doctor.releases import DEFAULT_TAG

__all__ = ["DEFAULT_TAG", "Finding", "Level", "Section", "Target", "examine", "missing_tools"]


class Target(str, Enum):
    """How the host is to serve; `auto` is each way whose tools are there."""

    auto = "auto"
    laptop = "laptop"
    docker = "docker"
    gpu = "gpu"


TOOLS = {Target.docker: "docker", Target.gpu: "nvidia-smi"}


@dataclass(frozen=True)
class Section:
    title: str
    findings: list[Finding]


def examine(target: Target, triton_tag: str) -> list[Section]:
    wanted = {target} if target is not Target.auto else find_targets()
    sections = [Section("This machine", machine.examine())]
    if Target.laptop in wanted:
        sections.append(Section("Without containers: auricle serve", laptop.examine()))
    if wanted & {Target.docker, Target.gpu}:
        docker = containers.read()
        sections.append(Section("In containers: docker compose up", containers.examine(docker)))
        if Target.gpu in wanted:
            reading = gpu.read(triton_tag, docker.engine)
            findings = gpu.examine(reading, docker.engine, triton_tag)
            sections.append(Section("On the GPU: docker-compose.gpu.yml", findings))
    return sections


def find_targets() -> set[Target]:
    return {Target.laptop, *TOOLS} - missing_tools().keys()


def missing_tools() -> dict[Target, str]:
    """What `auto` does not look at, and the program for want of which."""
    return {target: tool for target, tool in TOOLS.items() if which(tool) is None}
