import os
import shutil
import sysconfig
from pathlib import Path

import pytest

from auricle.errors import ServerError
from auricle.server import host
from auricle.server.locate import PYTHON, Triton, find_triton

IMAGE = Triton(Path(), Path(), Path(), (), "2.59.1", is_image=True)


def test_this_machine_fits() -> None:
    triton = find_triton()
    host.check_glibc(triton)
    folder = host.python_library_folder(triton)
    assert folder is not None
    assert (folder / f"libpython{PYTHON}.so.1.0").is_file()


@pytest.mark.parametrize("found", ["glibc 2.31", None])
def test_an_old_or_absent_glibc_is_refused(
    found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: found)
    with pytest.raises(
        ServerError, match=r"needs glibc 2\.35 or newer, this system has (no )?glibc"
    ):
        host.check_glibc(find_triton())


def test_an_image_brings_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 2.31")
    host.check_glibc(IMAGE)
    assert host.python_library_folder(IMAGE) is None


@pytest.mark.parametrize("variable", ["LIBDIR", "installed_base", "MULTIARCH"])
def test_the_library_is_found_where_a_python_keeps_it(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"LIBDIR": "usr/lib", "installed_base": "base/lib", "MULTIARCH": "usr/lib/x86_64"}
    folder = tmp_path / places[variable]
    folder.mkdir(parents=True)
    (folder / f"libpython{PYTHON}.so.1.0").touch()
    variables = {
        "LIBDIR": str(tmp_path / "usr" / "lib"),
        "installed_base": str(tmp_path / "base"),
        "MULTIARCH": "x86_64",
    }
    monkeypatch.setattr(sysconfig, "get_config_vars", lambda: variables)
    assert host.python_library_folder(find_triton()) == folder


def test_a_python_without_its_library_hears_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"LIBDIR": str(tmp_path), "installed_base": str(tmp_path), "MULTIARCH": None}
    monkeypatch.setattr(sysconfig, "get_config_vars", lambda: variables)
    with pytest.raises(ServerError, match=f"apt install libpython{PYTHON}"):
        host.python_library_folder(find_triton())


def test_small_shared_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil._ntuple_diskusage(64 << 20, 0, 64 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    host.check_shared_memory(num_instances=2, bytes_each=32 << 20)
    with pytest.raises(ServerError, match=r"64 MiB free, but 3 .* need 96 MiB; .*--shm-size=1g"):
        host.check_shared_memory(num_instances=3, bytes_each=32 << 20)
