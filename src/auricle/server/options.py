"""What to serve, and where."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auricle.server.ports import LOOPBACK, Ports


@dataclass(frozen=True)
class Options:
    """How to start a tritonserver.

    log_file: takes what Triton and its models print; None is our own stderr.
    stop_timeout_s: what running requests get to end when the server stops.
    """

    repositories: Sequence[Path]
    ports: Ports = field(default_factory=Ports)
    host: str = LOOPBACK
    log_file: Path | None = None
    start_timeout_s: float = 600.0
    stop_timeout_s: float = 10.0
