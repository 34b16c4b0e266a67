"""What `docker compose up` needs: an engine, compose, rights, room for the images."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from auricle.doctor.finding import Finding, fail, ok, warn
from auricle.doctor.machine import check_disk, free_disk
from auricle.doctor.shell import Answer, ask

MIN_ENGINE = (25, 0)  # the first that knows start_interval of a health check
MIN_COMPOSE = (2, 20)  # the first that hands start_interval on
IMAGE_BYTES = 5 << 30  # the images of the CPU (0.7 GB and a client), and what building them leaves
INSTALL = "install Docker Engine: https://docs.docker.com/engine/install/"


@dataclass(frozen=True)
class Engine:
    """What `docker info` says.

    root: where images lie, on the engine's machine.  runtimes: names, such as runc and nvidia.
    security: options, such as name=rootless.  devices: by CDI, such as nvidia.com/gpu=all.
    """

    root: Path
    runtimes: tuple[str, ...]
    security: tuple[str, ...]
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Docker:
    """What its command line answers; None where there is none.  engine: None if it is silent."""

    version: Answer | None
    compose: Answer | None
    buildx: Answer | None
    engine: Engine | None


def read() -> Docker:
    commands = (
        ("docker", "version", "--format", "{{json .}}"),
        ("docker", "compose", "version", "--short"),
        ("docker", "buildx", "version"),
    )
    with ThreadPoolExecutor() as pool:  # so that an engine that hangs is waited for once
        version, compose, buildx = pool.map(lambda command: ask(*command), commands)
    engine = read_engine() if version and version.is_ok else None
    return Docker(version, compose, buildx, engine)


def examine(docker: Docker) -> list[Finding]:
    findings = [check_engine(docker.version)]
    if docker.version:
        findings += [check_compose(docker.compose), check_buildx(docker.buildx)]
    if docker.engine:
        findings += [check_users(docker.engine), check_root(docker.engine, IMAGE_BYTES)]
    return findings


def read_engine() -> Engine | None:
    """None where the engine does not say, as one that hangs."""
    info = ask("docker", "info", "--format", "{{json .}}")
    return parse_engine(info.stdout) if info and info.is_ok else None


def parse_engine(info: str) -> Engine:
    """From the JSON of `docker info`; an older engine leaves some of it out."""
    facts = json.loads(info)
    return Engine(
        root=Path(facts.get("DockerRootDir") or "/var/lib/docker"),
        runtimes=tuple(facts.get("Runtimes") or ()),
        security=tuple(facts.get("SecurityOptions") or ()),
        devices=tuple(device.get("ID", "") for device in facts.get("DiscoveredDevices") or ()),
    )


def check_engine(answer: Answer | None) -> Finding:
    """answer: of `docker version`, as JSON."""
    if answer is None:
        return fail("Docker", "no docker on PATH", INSTALL)
    if answer.status is None:
        return fail("Docker", answer.complaint, "restart it: `sudo systemctl restart docker`")
    if "permission denied" in answer.stderr:
        return fail(
            "Docker",
            "this user may not use the engine's socket",
            "run `sudo usermod -aG docker $USER`, then log out and in (or `newgrp docker`)",
        )
    if not answer.is_ok:
        return fail("Docker", answer.complaint, "start it: `sudo systemctl start docker`")
    found = (json.loads(answer.stdout).get("Server") or {}).get("Version", "of another kind")
    if numbers(found) < MIN_ENGINE:
        return fail(
            "Docker",
            f"engine {found}, but the health check's start_interval needs {dotted(MIN_ENGINE)}",
            INSTALL,
        )
    return ok("Docker", f"engine {found}")


def check_compose(answer: Answer | None) -> Finding:
    """answer: of `docker compose version --short`."""
    advice = "install it: https://docs.docker.com/compose/install/linux/"
    if answer is None or not answer.is_ok:
        return fail("compose", plugin_complaint(answer, "compose"), advice)
    found = answer.stdout.strip().removeprefix("v")
    if numbers(found) < MIN_COMPOSE:
        return fail("compose", f"{found}, but {dotted(MIN_COMPOSE)} or newer is needed", advice)
    return ok("compose", found)


def check_buildx(answer: Answer | None) -> Finding:
    """answer: of `docker buildx version`: github.com/docker/buildx v0.13.1 ..."""
    if answer is None or not answer.is_ok:
        return warn(
            "buildx",
            plugin_complaint(answer, "buildx"),
            "to build the images install it: https://docs.docker.com/build/install-buildx/",
        )
    return ok("buildx", answer.stdout.split()[1].removeprefix("v"))


def plugin_complaint(answer: Answer | None, plugin: str) -> str:
    if answer and answer.status is None:
        return answer.complaint
    return f"docker has no plugin {plugin}"


def check_users(engine: Engine) -> Finding:
    names = {option.removeprefix("name=").split(",")[0] for option in engine.security}
    remapped = sorted(names & {"rootless", "userns"})
    if remapped:
        return warn(
            "users",
            f"{' and '.join(remapped)}: a container's user is another one outside",
            "give mounted folders to that user, or keep models in the volumes of the compose file",
        )
    return ok("users", "those of the host")


def check_root(engine: Engine, needed: int) -> Finding:
    if not engine.root.exists():
        return ok("images", f"in {engine.root} of another machine: not looked at")
    return check_disk("images", engine.root, free_disk(engine.root), needed)


def numbers(text: str) -> tuple[int, int]:
    """The first two numbers; (0, 0) where there are none."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
