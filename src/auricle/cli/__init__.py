"""The command line. Every module here is a command: its name is the file's, its body is `run`."""

import importlib
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import auricle
from auricle import errors

if TYPE_CHECKING:
    from auricle.server.http import Endpoint

EXIT_FAILED, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_INTERRUPTED = 1, 2, 3, 130
EXIT_CODES = {
    errors.ManifestError: EXIT_USAGE,
    errors.UnknownFamilyError: EXIT_USAGE,
    errors.UnknownModelError: EXIT_USAGE,
    errors.UnreachableError: EXIT_UNREACHABLE,
}

HTTP_URL = "http://127.0.0.1:8000"
HttpUrl = Annotated[str, typer.Option(envvar="AURICLE_HTTP_URL", help="The server's HTTP address.")]

# What every client of a server over TLS is given.
TlsCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", envvar="AURICLE_TLS_CA", help="Who may sign the server's certificate: TLS."
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        envvar="AURICLE_TLS_CLIENT_CERT",
        help="Our own certificate, for a server that asks.",
    ),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key", envvar="AURICLE_TLS_CLIENT_KEY", help="The private key of --tls-cert."
    ),
]


def _check_parameters(given: list[str] | None) -> list[str] | None:
    for text in given or []:
        name, equals, _ = text.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"give NAME=VALUE, such as asr_language=en, not {text!r}")
    return given


Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        callback=_check_parameters,
        help="Of every request, such as asr_language=en.",
    ),
]


def split_parameters(given: list[str] | None) -> dict[str, str]:
    """What Parameters holds; a server takes a number's text for the number."""
    return dict(text.split("=", 1) for text in given or [])


def create_app() -> typer.Typer:
    app = typer.Typer(
        help=auricle.__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )
    for module in pkgutil.iter_modules(__path__):
        command = importlib.import_module(f"{__name__}.{module.name}")
        app.command(module.name.replace("_", "-"), no_args_is_help=False)(command.run)
    app.callback()(root)
    return app


def find_endpoint(url: str, timeout_s: float) -> "Endpoint":
    """Where a command asks a server over HTTP."""
    from auricle.server.http import parse_url

    try:
        return parse_url(url, timeout_s)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from error


def print_version(asked: bool) -> None:
    if asked:
        typer.echo(auricle.__version__)
        raise typer.Exit


def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """What is said before a command."""


def main() -> None:
    """Run a command; our own errors end it with one line on stderr and a documented exit code.

    So does a file or folder that the system refuses: any path is one that the user has named.
    """
    try:
        create_app()()
    except errors.AuricleError as error:
        typer.echo(f"auricle: {error}", err=True)
        sys.exit(EXIT_CODES.get(type(error), EXIT_FAILED))
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"auricle: cannot use {error.filename}: {error.strerror}", err=True)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
