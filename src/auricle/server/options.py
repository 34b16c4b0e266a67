"""What to serve, and where."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auricle.server.ports import LOOPBACK, Ports

EVERYWHERE = ("0.0.0.0", "")  # noqa: S104  # what to listen on, compared only
STORAGE = "s3://"


@dataclass(frozen=True)
class Tls:
    """PEM files for gRPC: our certificate and its key, and who may sign those of the clients.

    client_ca: None asks the clients for no certificate.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True)
class Options:
    """How to start a tritonserver.

    repositories: folders, or s3://BUCKET/PATH and s3://http://HOST:PORT/BUCKET/PATH.
    log_file: takes what Triton and its models print; None is our own stderr.
    log_requests: "1" logs a line of JSON a request, "text" with what was said, "0" none.
    loads: the models to start with, where others may be loaded and unloaded meanwhile; None is
        all models, for good.
    restricts_reads: whether the access key guards statistics and configurations, too.
    max_request_mb: of a request over HTTP, where the Triton is new enough to look.
    onnx_fallback: whether a TensorRT plan that does not fit here is no reason not to start: the
        graphs beside the plans are served then.
    version_compatible: whether a plan brings a TensorRT runtime of its own, which Triton is to run.
    stop_timeout_s: what running requests get to end when the server stops.
    """

    repositories: Sequence[Path | str]
    ports: Ports = field(default_factory=Ports)
    host: str = LOOPBACK
    log_file: Path | None = None
    log_requests: str = "0"
    tls: Tls | None = None
    loads: Sequence[str] | None = None
    restricts_reads: bool = False
    max_request_mb: int = 64
    onnx_fallback: bool = False
    version_compatible: bool = False
    start_timeout_s: float = 600.0
    stop_timeout_s: float = 10.0

    @property
    def local_host(self) -> str:
        """Where this machine's own requests go: nobody is reached at the address of all."""
        return LOOPBACK if self.host in EVERYWHERE else self.host

    @property
    def folders(self) -> list[Path]:
        """The repositories that lie here and can be looked into."""
        return [Path(each) for each in self.repositories if not str(each).startswith(STORAGE)]

    @property
    def remote(self) -> list[str]:
        """The repositories that Triton itself fetches."""
        return [str(each) for each in self.repositories if str(each).startswith(STORAGE)]
