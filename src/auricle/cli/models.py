"""auricle models: what a running server has in memory, and what it could have."""

import dataclasses
import json
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import HTTP_URL, HttpUrl, find_endpoint

if TYPE_CHECKING:
    from auricle.server.control import Model


class Action(str, Enum):
    list = "list"
    load = "load"
    unload = "unload"


def run(
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.list,
    name: Annotated[str | None, typer.Argument(help="The model to load or unload.")] = None,
    url: HttpUrl = HTTP_URL,
    timeout: Annotated[
        float, typer.Option(min=0.01, help="Seconds that loading or unloading may take.")
    ] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="The list as JSON.")] = False,
) -> None:
    """List the models of a server, load one or unload one.

    Wants the server's access key, and `auricle serve --model-control explicit` for changes.
    Loading a loaded model renews it.
    """
    from auricle.server import control

    if (name is None) != (action is Action.list):
        raise typer.BadParameter("load and unload want the name of a model, list wants none")
    endpoint = find_endpoint(url, timeout)
    if name is None:
        show(control.list_models(endpoint), as_json=as_json)
        return
    change = control.load if action is Action.load else control.unload
    typer.echo(f"{action.value}ed: {', '.join(change(endpoint, name))}")


def show(models: "Sequence[Model]", *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(model) for model in models], indent=2))
        return
    table = Table("model", "version", "state", "reason", box=None)
    for model in models:
        reason = model.reason.partition("\n")[0]
        table.add_row(model.name, model.version, model.state or "never loaded", reason)
    Console().print(table)
