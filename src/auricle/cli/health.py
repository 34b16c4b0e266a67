"""auricle health: exit code 0 if a server transcribes, 1 if it does not, 3 if there is none."""

from typing import Annotated

import typer

from auricle.cli import EXIT_FAILED, HTTP_URL, HttpUrl, find_endpoint


def run(
    url: HttpUrl = HTTP_URL,
    timeout: Annotated[
        float, typer.Option(min=0.01, help="Seconds that an answer may take.")
    ] = 10.0,
) -> None:
    """Ask a server whether it is ready, and every model for a transcript of 0.1 s of silence."""
    from auricle.server import health

    endpoint = find_endpoint(url, timeout)
    probes = health.probe_models(endpoint)
    if not probes:
        typer.echo("ready; no model takes waveforms")
    for probe in probes:
        typer.echo(f"{probe.model}: {probe.error or 'ok'} ({1000 * probe.seconds:.0f} ms)")
    if any(probe.error for probe in probes):
        raise typer.Exit(EXIT_FAILED)
