"""Every command that docs/moving.md shows exists, with every option that it is given."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import typer.core

from auricle.cli import create_app

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "moving.md").read_text(encoding="utf-8")
BARE = sorted(
    set(re.findall(r"(?:^|`)(auricle \w+ -[^`\n]*|auricle build [^`\n]*)", PAGE, re.MULTILINE))
)
IN_CONTAINERS = sorted(set(re.findall(r"^docker compose run --rm (.*)$", PAGE, re.MULTILINE)))


def parse(words: list[str]) -> None:
    group = typer.main.get_command(create_app())
    assert isinstance(group, typer.core.TyperGroup)
    name, *arguments = words
    group.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("line", BARE)
def test_a_command_parses(line: str) -> None:
    parse(shlex.split(line)[1:])


@pytest.mark.parametrize("line", IN_CONTAINERS)
def test_a_command_in_a_container_parses(line: str) -> None:
    service, *words = shlex.split(line)
    parse(words if service == "client" else ["build", "--repo", "/models/offline", *words])
