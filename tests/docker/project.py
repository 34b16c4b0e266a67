"""A compose project of its own: its own name, ports, volumes and images, gone after the test."""

import os
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import docker
from docker.models.containers import Container

from auricle.server import Ports, free_ports

ROOT = Path(__file__).parents[2]
BALANCED = "docker-compose.balanced.yml"
IMAGES = {
    "AURICLE_SERVER_IMAGE": "auricle-test-server",
    "AURICLE_CLIENT_IMAGE": "auricle-test-client",
    "AURICLE_BUILD_IMAGE": "auricle-test-build",
    "AURICLE_BALANCER_IMAGE": "auricle-test-balancer",
}


@dataclass
class Project:
    """files: what is read beside docker-compose.yml.  variables: what a user writes into .env."""

    files: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"auricle-test-{secrets.token_hex(4)}")
    ports: Ports = field(default_factory=free_ports)

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.ports.grpc}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.http}"

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        files = ["docker-compose.yml", *self.files]
        command = ["docker", "compose", *(part for file in files for part in ("-f", file))]
        answer = subprocess.run(
            [*command, *arguments], cwd=ROOT, env=self.environment(),
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or answer.returncode == 0, answer.stdout + answer.stderr
        return answer

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        ports = {
            "AURICLE_HTTP_PORT": str(self.ports.http),
            "AURICLE_GRPC_PORT": str(self.ports.grpc),
            "AURICLE_METRICS_PORT": str(self.ports.metrics),
        }
        return {**kept, **IMAGES, **ports, "COMPOSE_PROJECT_NAME": self.name, **self.variables}

    def containers(self, service: str = "server") -> list[Container]:
        labels = [
            f"com.docker.compose.project={self.name}",
            f"com.docker.compose.service={service}",
        ]
        found = docker.from_env().containers.list(all=True, filters={"label": labels})
        return sorted(found, key=lambda container: str(container.name))

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "5", check=False)
