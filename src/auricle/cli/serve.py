"""auricle serve: a tritonserver for model repositories, until it is told to stop."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle import spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from auricle.server.options import Options, Tls

DEFAULT_REPOSITORY = "model_repo_offline"
NO_MODEL = "none"


class LogRequests(str, Enum):
    off = "0"
    on = "1"
    text = "text"


class ModelControl(str, Enum):
    none = "none"
    explicit = "explicit"


Repo = Annotated[
    list[str] | None,
    typer.Option(
        help="A model repository, a folder or s3://BUCKET/PATH; more than one may be given.  "
        f"[default: {DEFAULT_REPOSITORY}]"
    ),
]
Control = Annotated[
    ModelControl,
    typer.Option(
        envvar="AURICLE_MODEL_CONTROL", help="explicit: `auricle models` may load and unload."
    ),
]
Load = Annotated[
    list[str] | None,
    typer.Option(
        help="A model to start with under explicit control, none for no model; more than one "
        "may be given.  [default: all]"
    ),
]
HttpPort = Annotated[int, typer.Option(help="KServe v2 over HTTP.")]
GrpcPort = Annotated[int, typer.Option(help="KServe v2 over gRPC.")]
MetricsPort = Annotated[int, typer.Option(help="Metrics for Prometheus.")]
Host = Annotated[str, typer.Option(envvar="AURICLE_HOST", help="The address to listen on.")]
LogFile = Annotated[
    Path | None, typer.Option(help="For Triton's log; by default in the user's cache.")
]
Verbose = Annotated[bool, typer.Option(help="Triton's log to stderr, not to a file.")]
RequestLog = Annotated[
    LogRequests,
    typer.Option(
        envvar=spec.LOG_REQUESTS,
        help="A line of JSON a request in the log; text: with what was said.",
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(envvar="AURICLE_TLS_CERT", help="The certificate for gRPC over TLS, PEM."),
]
Key = Annotated[Path | None, typer.Option(envvar="AURICLE_TLS_KEY", help="Its private key, PEM.")]
ClientCa = Annotated[
    Path | None,
    typer.Option(
        envvar="AURICLE_TLS_CLIENT_CA",
        help="Who must have signed the certificates of clients, PEM.",
    ),
]
StopTimeout = Annotated[
    int, typer.Option(min=1, help="Seconds that running requests get when it is stopped.")
]
RestrictReads = Annotated[
    bool,
    typer.Option(
        "--restrict-reads", help="Guard statistics and configurations by the access key, too."
    ),
]
MaxRequestMb = Annotated[
    int, typer.Option(min=1, help="Of a request over HTTP; for Triton 2.59 and newer.")
]
OnnxFallback = Annotated[
    bool,
    typer.Option(
        "--onnx-fallback",
        envvar="AURICLE_ONNX_FALLBACK",
        help="Serve the graphs beside TensorRT plans if a plan does not fit here.",
    ),
]
LayOut = Annotated[
    bool, typer.Option("--lay-out", help="Only copy Triton's backends to AURICLE_BACKENDS.")
]


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    repo: Repo = None,
    model_control: Control = ModelControl.none,
    load: Load = None,
    http_port: HttpPort = 8000,
    grpc_port: GrpcPort = 8001,
    metrics_port: MetricsPort = 8002,
    host: Host = "127.0.0.1",
    log_file: LogFile = None,
    verbose: Verbose = False,
    log_requests: RequestLog = LogRequests.off,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    tls_ca: ClientCa = None,
    stop_timeout: StopTimeout = 10,
    restrict_reads: RestrictReads = False,
    max_request_mb: MaxRequestMb = 64,
    onnx_fallback: OnnxFallback = False,
    lay_out: LayOut = False,
) -> None:
    """Serve model repositories with the tritonserver of this machine; Ctrl-C stops it."""
    from auricle.access import cache_folder
    from auricle.server import Options, Ports, layout, locate

    if lay_out:
        typer.echo(layout.backend_folder(locate.find_triton()))
        return
    log_file = log_file or cache_folder() / "logs" / f"tritonserver-{grpc_port}.log"
    options = Options(
        repositories=repo or [DEFAULT_REPOSITORY],
        ports=Ports(http_port, grpc_port, metrics_port),
        host=host,
        log_file=None if verbose else log_file,
        log_requests=log_requests.value,
        tls=_tls(tls_cert, tls_key, tls_ca),
        loads=_loads(model_control, load or []),
        stop_timeout_s=stop_timeout,
        restricts_reads=restrict_reads,
        max_request_mb=max_request_mb,
        onnx_fallback=onnx_fallback,
    )
    _serve(options)


def _serve(options: "Options") -> None:
    # Before a signal can end the block: an import of numpy that is cut short ends in a traceback.
    from tritonclient.grpc import model_config_pb2  # noqa: F401

    from auricle.server import serve
    from auricle.server.signals import ended_by_signals

    if options.remote:
        typer.echo(f"not checked before the start: {', '.join(options.remote)}")
    if options.log_file:
        typer.echo(f"Triton's log: {options.log_file}")
    with ended_by_signals(), serve(options) as server:
        for note in server.notes:
            typer.echo(note)
        typer.echo(
            f"ready in {server.ready_s:.1f} s: {', '.join(server.models) or 'no model'} "
            f"(grpc {server.grpc_address}, http {server.http_address}, "
            f"metrics {server.metrics_address})"
        )
        server.wait()


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> "Tls | None":
    from auricle.server.options import Tls

    if certificate and key:
        return Tls(certificate, key, client_ca)
    if certificate or key or client_ca:
        raise typer.BadParameter("TLS needs both --tls-cert and --tls-key; --tls-ca may join them")
    return None


def _loads(control: ModelControl, named: list[str]) -> "Sequence[str] | None":
    """What Options calls loads."""
    from auricle.server.repository import ALL

    if control is ModelControl.explicit:
        return [] if named == [NO_MODEL] else named or [ALL]
    if named:
        raise typer.BadParameter("--load chooses models under --model-control explicit alone")
    return None
