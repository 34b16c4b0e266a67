"""auricle serve: a tritonserver for model repositories, until it is told to stop."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    repo: Annotated[list[Path] | None, typer.Option(help="A model repository.")] = None,
    http_port: Annotated[int, typer.Option(help="KServe v2 over HTTP.")] = 8000,
    grpc_port: Annotated[int, typer.Option(help="KServe v2 over gRPC.")] = 8001,
    metrics_port: Annotated[int, typer.Option(help="Prometheus metrics.")] = 8002,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    log_file: Annotated[Path | None, typer.Option(help="Triton's log.")] = None,
) -> None:
    """Serve model repositories with the tritonserver of this machine."""
    from auricle.server import launch
    from auricle.server.ports import Ports

    options = launch.Options(
        repositories=repo or [Path("model_repo_offline")],
        ports=Ports(http_port, grpc_port, metrics_port),
        host=host,
        log_file=log_file,
    )
    with launch.serve(options) as server:
        typer.echo(
            f"ready in {server.ready_s:.1f} s: (grpc {server.grpc_address}, "
            f"http {server.http_address}, metrics {server.metrics_address})"
        )
        server.process.wait()
