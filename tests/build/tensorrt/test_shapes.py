import pytest

from auricle.build import families
from auricle.build.export.graph import Port
from auricle.build.tensorrt.shapes import in_samples, profiles_of
from auricle.errors import CheckpointError

FLOAT, INT32 = 1, 6  # ONNX's numbers
WAVES = [Port("WAV", FLOAT, ("N", "L")), Port("WAV_LENS", INT32, ("N",))]
WINDOWS = [Port("CHUNK", FLOAT, ("N", 5360)), Port("STATE", FLOAT, ("N", 100))]


@pytest.mark.parametrize("family", families.names())
def test_the_profile_of_every_family_makes_shapes(family: str) -> None:
    profile = families.load(family).profile
    (shapes,) = profiles_of(WAVES, profile.batch, [in_samples(profile.seconds, 16000)])
    for place in range(3):
        samples = round(profile.seconds[place] * 16000)
        assert shapes["WAV"][place] == [profile.batch[place], samples]
        assert shapes["WAV_LENS"][place] == [profile.batch[place]]


def test_each_range_of_lengths_is_a_profile() -> None:
    ranges = [(1600, 64000, 160000), (160000, 320000, 624000)]
    profiles = profiles_of(WAVES, (1, 8, 32), ranges)
    assert [shapes["WAV"][2] for shapes in profiles] == [[32, 160000], [32, 624000]]


def test_windows_of_streams_vary_in_rows_alone() -> None:
    (shapes,) = profiles_of(WINDOWS, (1, 8, 64), [(1, 2, 3), (3, 4, 5)])
    assert shapes["CHUNK"] == [[1, 5360], [8, 5360], [64, 5360]]


def test_another_axis_has_bounds_of_its_own() -> None:
    ports = [*WAVES, Port("BIAS_EMBED", FLOAT, ("N", "H", 512))]
    (shapes,) = profiles_of(ports, (1, 2, 4), [(1, 2, 3)], {"H": (1, 8, 64)})
    assert shapes["BIAS_EMBED"] == [[1, 1, 512], [2, 8, 512], [4, 64, 512]]


@pytest.mark.parametrize("dim", ["H", None])
def test_an_axis_without_bounds_is_named(dim: str | None) -> None:
    ports = [*WAVES, Port("BIAS_EMBED", FLOAT, ("N", dim, 512))]
    with pytest.raises(CheckpointError, match=r"nothing is known of .*BIAS_EMBED.*--axis"):
        profiles_of(ports, (1, 2, 4), [(1, 2, 3)])


@pytest.mark.parametrize("batch", [(0, 1, 2), (4, 2, 8), (1, 8, 4)])
def test_bounds_out_of_order_are_refused(batch: tuple[int, int, int]) -> None:
    with pytest.raises(CheckpointError, match="axis N is"):
        profiles_of(WAVES, batch, [(1, 2, 3)])


def test_a_gap_between_profiles_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no profile takes 301 to 399 samples"):
        profiles_of(WAVES, (1, 2, 4), [(100, 200, 300), (400, 500, 600)])
