import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auricle import cli
from auricle.errors import ServerError
from auricle.server import layout
from auricle.server.locate import STUB, Triton, find_triton


@pytest.fixture
def triton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Triton:
    """The wheel's, with a cache of our own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return find_triton()


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_holds_the_python_backend_and_ours(triton: Triton, tmp_path: Path) -> None:
    folder = layout.backend_folder(triton)
    assert folder.is_relative_to(tmp_path / "auricle")
    assert names(folder) == {
        f"python/{STUB}",
        "python/libtriton_python.so",
        "python/triton_python_backend_utils.py",
        "onnxruntime/model.py",
    }
    assert os.access(folder / "python" / STUB, os.X_OK)


def test_many_at_once_lay_out_the_same(triton: Triton) -> None:
    with ThreadPoolExecutor(8) as threads:
        folders = set(threads.map(layout.backend_folder, [triton] * 8))
    (folder,) = folders
    assert len(names(folder)) == 4


def test_a_second_time_copies_nothing(triton: Triton) -> None:
    folder = layout.backend_folder(triton)
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert layout.backend_folder(triton) == folder
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_a_changed_original_is_copied_again(triton: Triton) -> None:
    copy = layout.backend_folder(triton) / "onnxruntime" / "model.py"
    original = copy.read_text()
    copy.write_text("an older version")
    layout.backend_folder(triton)
    assert copy.read_text() == original


def test_a_folder_laid_out_beforehand_is_only_read(
    triton: Triton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURICLE_BACKENDS", str(tmp_path / "beforehand"))
    result = CliRunner().invoke(cli.create_app(), ["serve", "--lay-out"])
    before = {path: path.stat().st_ctime_ns for path in tmp_path.rglob("*")}
    folder = layout.backend_folder(triton)
    assert folder.parent == tmp_path / "beforehand"
    assert result.stdout == f"{folder}\n"
    assert {path: path.stat().st_ctime_ns for path in tmp_path.rglob("*")} == before


def test_an_image_keeps_whole_seconds_of_a_copy(triton: Triton) -> None:
    copy = layout.backend_folder(triton) / "onnxruntime" / "model.py"
    os.utime(copy, (int(copy.stat().st_mtime),) * 2)
    inode = copy.stat().st_ino
    layout.backend_folder(triton)
    assert copy.stat().st_ino == inode


def test_a_stub_that_cannot_be_executed_is_told(triton: Triton) -> None:
    (layout.backend_folder(triton) / "python" / STUB).chmod(0o644)
    with pytest.raises(ServerError, match=r"cannot be executed.*noexec; set AURICLE_BACKENDS"):
        layout.backend_folder(triton)


def test_the_backends_of_an_image_are_its_own(tmp_path: Path) -> None:
    image = Triton(tmp_path, tmp_path / "backends", tmp_path, (), "2.59.1", is_image=True)
    assert layout.backend_folder(image) == tmp_path / "backends"


def test_a_cache_that_cannot_be_written_says_which_variable_to_set(
    triton: Triton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ServerError, match=r"\(Not a directory\); set XDG_CACHE_HOME"):
        layout.backend_folder(triton)
