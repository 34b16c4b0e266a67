"""A small checkpoint in each form that users have, and what is built of it."""

from pathlib import Path

import pytest

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Built, Family, Options
from tests.families.checkpoints import WRITERS


@pytest.fixture(scope="module", params=WRITERS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def name(form: str) -> str:
    return form.split("-", maxsplit=1)[0]


@pytest.fixture(scope="module")
def family(name: str) -> Family:
    return families.load(name)


@pytest.fixture
def folder(form: str, tmp_path: Path) -> Path:
    return WRITERS[form](tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def built(form: str, family: Family, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = WRITERS[form](tmp_path_factory.mktemp(form) / "checkpoint")
    return family.build(Checkpoint(folder, str(folder)), Options())
