import importlib.util
from pathlib import Path

import pytest

from auricle.errors import ServerError
from auricle.server import locate
from auricle.server.locate import PYTHON, STUB


def write(path: Path, content: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image's /opt/tritonserver, as far as it is looked at."""
    root = tmp_path / "tritonserver"
    write(root / "bin" / "tritonserver")
    write(root / "backends" / "python" / STUB, f"ELF libpython{PYTHON}.so.1.0".encode())
    write(root / "TRITON_VERSION", b"2.59.1\n")
    monkeypatch.setattr(locate, "IMAGE", root)
    return root


def test_the_wheel_of_this_environment_is_found() -> None:
    triton = locate.find_triton()
    assert not triton.is_image
    assert all(path.exists() for path in (triton.binary, triton.stub, *triton.libraries))


def test_an_image_comes_before_the_wheel(image: Path) -> None:
    triton = locate.find_triton()
    assert (triton.binary, triton.version) == (image / "bin" / "tritonserver", "2.59.1")


def test_an_image_of_another_python_is_refused(image: Path) -> None:
    write(image / "backends" / "python" / STUB, b"ELF libpython3.7.so.1.0")
    with pytest.raises(ServerError, match=rf"this is Python {PYTHON}, .* runs Python 3\.7 models"):
        locate.find_triton()


def test_an_image_without_python_is_refused(image: Path) -> None:
    (image / "backends" / "python" / STUB).unlink()
    with pytest.raises(ServerError, match="an image whose tag ends in -py3"):
        locate.find_triton()


def test_without_any_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServerError, match=r"pip install 'auricle\[server-cpu\]'"):
        locate.find_triton()


def test_a_python_without_a_stub_hears_which_have_one(tmp_path: Path) -> None:
    for version in ("3.7", "3.100", "3.8"):
        write(tmp_path / "tritonserver" / "python_backend_stubs" / version / STUB)
    with pytest.raises(
        ServerError, match=rf"no stub for Python {PYTHON}; it has 3\.7, 3\.8, 3\.100:"
    ):
        locate.in_wheel(tmp_path)
