from pathlib import Path

import pytest

from auricle.bucket.folder import Folder
from auricle.errors import BucketError
from tests.bucket.conftest import read, write


def test_hidden_and_temporary_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"a/x": b"12", "a/.x.draft": b"", ".git/config": b"", "a/.cache/y": b""})
    assert Folder(tmp_path).entries() == {"a/x": 2}


def test_what_a_server_compiled_in_place_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"a/1/model.py": b"", "a/1/__pycache__/model.cpython-311.pyc": b"1"})
    assert Folder(tmp_path).entries() == {"a/1/model.py": 0}


def test_a_folder_that_holds_nothing_is_an_entry(tmp_path: Path) -> None:
    write(tmp_path, {"ensemble/config.pbtxt": b"", "ensemble/1/.gitkeep": b""})
    assert Folder(tmp_path).entries() == {"ensemble/config.pbtxt": 0, "ensemble/1/": 0}


def test_no_folder_has_no_entries(tmp_path: Path) -> None:
    assert Folder(tmp_path / "absent").entries() == {}


def test_links_are_followed_but_in_no_circle(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"x": b"1"})
    (tmp_path / "repository" / "a").mkdir(parents=True)
    (tmp_path / "repository" / "a" / "1").symlink_to(tmp_path / "elsewhere")
    assert Folder(tmp_path / "repository").entries() == {"a/1/x": 1}
    (tmp_path / "repository" / "a" / "up").symlink_to(tmp_path / "repository")
    with pytest.raises(BucketError, match="a link to a folder that it lies in"):
        Folder(tmp_path / "repository").entries()


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = Folder(write(tmp_path, {"a/x": b"old"}))

    def rewrite(*, fails: bool) -> None:
        with folder.draft("a/x") as draft:
            draft.write_bytes(b"new")
            if fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(fails=True)
    assert read(tmp_path) == {"a/x": b"old"}
    rewrite(fails=False)
    assert read(tmp_path) == {"a/x": b"new"}


def test_a_link_that_leads_out_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "a").symlink_to(tmp_path / "elsewhere")
    folder = Folder(tmp_path / "repository")
    with pytest.raises(BucketError, match="leads out of"), folder.draft("a/x"):
        pass
    with pytest.raises(BucketError, match="leads out of"):
        folder.delete("a/x")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_deletion_takes_the_folders_that_it_empties(tmp_path: Path) -> None:
    folder = Folder(write(tmp_path / "repository", {"a/1/x": b"", "a/1/y": b"", "b/1/x": b""}))
    folder.delete("a/1/x")
    folder.delete("b/1/x")
    assert folder.entries() == {"a/1/y": 0}
    folder.delete("a/1/y")
    assert folder.root.is_dir()
