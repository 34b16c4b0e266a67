"""docs/families.md has a section for every family, and every command that it shows exists."""

import re
import shlex

import pytest
import typer
import typer.core

from auricle.build import families
from auricle.build.checkpoint.hub import HuggingFace
from auricle.cli import create_app
from auricle.spec import DECODINGS
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^auricle .*$", PAGE, re.MULTILINE)))


@pytest.mark.parametrize("name", families.names())
def test_every_family_has_a_section(name: str) -> None:
    assert f"\n## {name.replace('_', '-')}\n" in PAGE


@pytest.mark.parametrize("decodings", DECODINGS.values())
def test_every_decoding_is_named_in_its_order(decodings: tuple[str, ...]) -> None:
    assert f"| {', '.join(f'`{name}`' for name in decodings)} |" in PAGE


@pytest.mark.parametrize("name", families.names())
def test_what_is_fetched_is_named(name: str) -> None:
    family = families.load(name)
    exporter = family.exporter
    sources = (family.source, family.streaming_source, exporter.source, exporter.streaming_source)
    for source in (each for each in sources if isinstance(each, HuggingFace)):
        assert f"`{source.repo_id}`" in PAGE


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_parses(line: str) -> None:
    group = typer.main.get_command(create_app())
    assert isinstance(group, typer.core.TyperGroup)
    name, *arguments = shlex.split(line)[1:]
    group.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE))))
def test_a_link_of_the_page_leads_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
