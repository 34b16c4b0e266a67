import pytest

from auricle.serve.quoting import quote


@pytest.mark.parametrize("sent", ["left", "z" * 40, 7, 1.5, True])
def test_what_is_short_is_echoed_whole(sent: object) -> None:
    assert quote(sent) == repr(sent)


@pytest.mark.parametrize("sent", ["z" * 41, "z" * 300_000, 10**300, [1] * 1000])
def test_what_is_long_is_echoed_by_its_start(sent: object) -> None:
    assert len(quote(sent)) <= 45
    assert quote(sent).endswith("...")
