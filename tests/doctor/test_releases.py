from auricle.doctor import releases
from tests.conftest import ROOT


def test_the_table_is_newest_first_and_names_each_tag_once() -> None:
    tags = [release.tag for release in releases.RELEASES]
    assert tags == sorted(set(tags), reverse=True)


def test_every_release_asks_for_a_driver_and_a_gpu() -> None:
    asked = {(one.min_driver, one.min_capability) for one in releases.RELEASES}
    assert asked == {
        ((525, 60, 13), (6, 0)),
        ((580,), (6, 0)),
        ((580,), (7, 5)),
    }


def test_the_default_tag_is_known_and_that_of_the_image() -> None:
    assert releases.find(releases.DEFAULT_TAG)
    assert f"ARG TRITON_TAG={releases.DEFAULT_TAG}\n" in (ROOT / "Dockerfile.server").read_text()


def test_a_tag_may_carry_its_suffix() -> None:
    assert releases.find("24.10-py3") == releases.find("24.10")
    assert releases.find("24.1") is None


def test_no_release_is_for_a_host_that_is_too_old() -> None:
    assert releases.newest_for((470, 57, 2), (7, 5)) is None
