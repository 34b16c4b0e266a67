"""auricle serve: a tritonserver for model repositories, until it is told to stop."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_REPOSITORY = Path("model_repo_offline")


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    repo: Annotated[
        list[Path] | None,
        typer.Option(
            help=f"A model repository; more than one may be given.  [default: {DEFAULT_REPOSITORY}]"
        ),
    ] = None,
    http_port: Annotated[int, typer.Option(help="KServe v2 over HTTP.")] = 8000,
    grpc_port: Annotated[int, typer.Option(help="KServe v2 over gRPC.")] = 8001,
    metrics_port: Annotated[int, typer.Option(help="Metrics for Prometheus.")] = 8002,
    host: Annotated[
        str, typer.Option(envvar="AURICLE_HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    log_file: Annotated[
        Path | None, typer.Option(help="For Triton's log; by default in the user's cache.")
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Triton's log to stderr, not to a file.")] = False,
    restrict_reads: Annotated[
        bool,
        typer.Option(
            "--restrict-reads", help="Guard statistics and configurations by the access key, too."
        ),
    ] = False,
    max_request_mb: Annotated[
        int, typer.Option(min=1, help="Of a request over HTTP; for Triton 2.59 and newer.")
    ] = 64,
    lay_out: Annotated[
        bool, typer.Option("--lay-out", help="Only copy Triton's backends to AURICLE_BACKENDS.")
    ] = False,
) -> None:
    """Serve model repositories with the tritonserver of this machine; Ctrl-C stops it."""
    from auricle.access import cache_folder
    from auricle.server import Options, Ports, serve
    from auricle.server.layout import backend_folder
    from auricle.server.locate import find_triton
    from auricle.server.signals import ended_by_signals

    if lay_out:
        typer.echo(backend_folder(find_triton()))
        return

    log_file = log_file or cache_folder() / "logs" / f"tritonserver-{grpc_port}.log"
    options = Options(
        repositories=repo or [DEFAULT_REPOSITORY],
        ports=Ports(http_port, grpc_port, metrics_port),
        host=host,
        log_file=None if verbose else log_file,
        restricts_reads=restrict_reads,
        max_request_mb=max_request_mb,
    )
    if options.log_file:
        typer.echo(f"Triton's log: {options.log_file}")
    with ended_by_signals(), serve(options) as server:
        typer.echo(
            f"ready in {server.ready_s:.1f} s: {', '.join(server.models)} "
            f"(grpc {server.grpc_address}, http {server.http_address}, "
            f"metrics {server.metrics_address})"
        )
        server.wait()
