"""Every command that docs/streaming.md shows exists, with every option; its Python is Python."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import typer.core

from auricle import wire
from auricle.cli import create_app
from auricle.client import Client

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "streaming.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^auricle .*$", PAGE, re.MULTILINE)))


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_parses(line: str) -> None:
    group = typer.main.get_command(create_app())
    assert isinstance(group, typer.core.TyperGroup)
    name, *arguments = shlex.split(line)[1:]
    group.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", PAGE))))
def test_a_link_leads_somewhere(link: str) -> None:
    assert (DOCS / link).exists()


def test_the_python_calls_what_there_is() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    compile(block, "streaming.md", "exec")
    assert set(re.findall(r"client\.(\w+)\(", block)) <= set(dir(Client))


def test_the_parameters_are_those_of_the_wire() -> None:
    told = re.findall(r"^\| `(asr_\w+)`", PAGE, re.MULTILINE)
    assert told == [wire.ASR_ENDPOINT, wire.ASR_FINALIZE]
