import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auricle import access
from auricle.errors import AccessError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing told by the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("AURICLE_KEY", raising=False)
    monkeypatch.delenv("AURICLE_KEY_FILE", raising=False)
    return tmp_path / "cache" / "auricle"


def test_the_key_is_made_once_and_for_its_user_alone(cache: Path) -> None:
    key = access.find_key()
    assert len(key) > 40
    assert access.find_key() == key
    assert stat.S_IMODE((cache / "key").stat().st_mode) == 0o600
    assert [path.name for path in cache.iterdir()] == ["key"]


def test_many_at_once_find_the_same_key() -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: access.find_key(), range(8)))) == 1


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of-the-file\n")
    monkeypatch.setenv("AURICLE_KEY_FILE", str(secret))
    assert access.find_key() == access.key_for("server") == "of-the-file"
    monkeypatch.setenv("AURICLE_KEY", "of-the-variable")
    assert access.find_key() == access.key_for("server") == "of-the-variable"


def test_the_users_own_key_goes_to_no_other_machine() -> None:
    assert access.key_for("localhost") is None
    key = access.find_key()
    assert access.key_for("localhost") == key
    assert access.key_for("10.1.2.3") is None


@pytest.mark.parametrize("key", ["a:b", "a=b", "a,b", "a b", "ä", "a\nb"])
def test_a_key_that_triton_cannot_take_is_refused_and_not_told(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURICLE_KEY", key)
    with pytest.raises(AccessError, match="the access key in AURICLE_KEY") as caught:
        access.find_key()
    assert key not in str(caught.value)


def test_an_empty_file_is_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    monkeypatch.setenv("AURICLE_KEY_FILE", str(tmp_path / "secret"))
    with pytest.raises(AccessError, match="is empty"):
        access.find_key()


def test_a_missing_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AURICLE_KEY_FILE", str(tmp_path / "secret"))
    with pytest.raises(AccessError, match=r"secret \(No such file or directory\)"):
        access.find_key()


def test_without_a_place_for_a_key_one_can_be_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(AccessError, match=r"\(.* directory\); set XDG_CACHE_HOME .*AURICLE_KEY"):
        access.find_key()
