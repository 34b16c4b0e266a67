"""What to serve, and where."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auricle.server.ports import LOOPBACK, Ports

EVERYWHERE = ("0.0.0.0", "")  # noqa: S104  # what to listen on, compared only


@dataclass(frozen=True)
class Options:
    """How to start a tritonserver.

    log_file: takes what Triton and its models print; None is our own stderr.
    restricts_reads: whether the access key guards statistics and configurations, too.
    max_request_mb: of a request over HTTP, where the Triton is new enough to look.
    stop_timeout_s: what running requests get to end when the server stops.
    """

    repositories: Sequence[Path]
    ports: Ports = field(default_factory=Ports)
    host: str = LOOPBACK
    log_file: Path | None = None
    restricts_reads: bool = False
    max_request_mb: int = 64
    start_timeout_s: float = 600.0
    stop_timeout_s: float = 10.0

    @property
    def local_host(self) -> str:
        """Where this machine's own requests go: nobody is reached at the address of all."""
        return LOOPBACK if self.host in EVERYWHERE else self.host
