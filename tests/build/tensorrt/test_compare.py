"""What a plan gives against what its graph gives, by trtexec's outputs as it writes them."""

import numpy as np
import pytest

from auricle.build.export.graph import Port
from auricle.build.export.session import Array
from auricle.build.tensorrt import compare
from auricle.build.tensorrt.compare import Comparison, differences, parse_outputs, samples_of
from auricle.errors import PlanError
from tests.build.tensorrt.run_graph import render

FLOAT, INT32 = 1, 6  # ONNX's numbers
DTYPES = {"ENCODER_OUT": FLOAT, "OUT_LENS": INT32}
PORTS = [Port("WAV", FLOAT, ("N", "L")), Port("WAV_LENS", INT32, ("N",))]
# In the form of exportJSONOutput, samples/common/sampleReporting.cpp of NVIDIA/TensorRT.
RECORDED = """[
  { "name" : "ENCODER_OUT"
  , "dimensions" : "1x2x2"
  , "values" : [ 0.25, -1.5e-05, nan, -inf ]
  }
, { "name" : "OUT_LENS"
  , "dimensions" : "1"
  , "values" : [ 2 ]
  }
]
"""


def outputs(seed: int = 0) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    return {
        "ENCODER_OUT": generator.normal(0, 1, (2, 5, 8)).astype(np.float32),
        "OUT_LENS": np.array([5, 3], np.int32),
    }


def test_recorded_outputs_are_read_with_what_is_no_json() -> None:
    found = parse_outputs(RECORDED, DTYPES)
    assert found["ENCODER_OUT"].shape == (1, 2, 2)
    np.testing.assert_array_equal(
        found["ENCODER_OUT"].ravel(), np.array([0.25, -1.5e-05, np.nan, -np.inf], np.float32)
    )
    assert found["OUT_LENS"].dtype == np.int32


@pytest.mark.parametrize("text", ["", "[{}]", "nonsense", RECORDED.replace("1x2x2", "1x9")])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        parse_outputs(text, DTYPES)


def test_six_digits_are_no_difference() -> None:
    found = parse_outputs(render(outputs()), DTYPES)
    errors = differences(found, outputs())
    assert errors["OUT_LENS"] == 0
    assert errors["ENCODER_OUT"] < 1e-5


def test_what_is_behind_a_length_does_not_count() -> None:
    found = outputs()
    found["ENCODER_OUT"][1, 3:] = np.nan
    assert differences(found, outputs())["ENCODER_OUT"] == 0


def test_the_error_is_relative_to_the_whole() -> None:
    found = {
        name: array * (1.03 if name == "ENCODER_OUT" else 1) for name, array in outputs().items()
    }
    assert differences(found, outputs())["ENCODER_OUT"] == pytest.approx(0.03, rel=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_never_within(value: float) -> None:
    found = outputs()
    found["ENCODER_OUT"][0, 0, 0] = value
    comparison = Comparison(differences(found, outputs()), 1e9, 1)
    assert comparison.errors["ENCODER_OUT"] == np.inf
    assert not comparison.is_ok


def test_other_lengths_or_too_few_frames_are_never_within() -> None:
    other = outputs() | {"OUT_LENS": np.array([5, 4], np.int32)}
    assert differences(other, outputs())["OUT_LENS"] == np.inf
    longer = np.full((2, 8, 8), 9, np.float32)
    longer[:, :5] = outputs()["ENCODER_OUT"]
    assert differences(outputs() | {"ENCODER_OUT": longer}, outputs())["ENCODER_OUT"] == 0
    shorter = outputs() | {"ENCODER_OUT": outputs()["ENCODER_OUT"][:, :4]}
    assert differences(shorter, outputs())["ENCODER_OUT"] == np.inf
    assert differences({}, outputs())["ENCODER_OUT"] == np.inf


def test_an_engine_as_wrong_as_known_ones_is_found() -> None:
    """FastConformer on some GPUs: cosine 0.35 to 0.83, finite everywhere (TensorRT issue 4822)."""
    right, noise = outputs()["ENCODER_OUT"], outputs(1)["ENCODER_OUT"]
    wrong = outputs() | {"ENCODER_OUT": (0.83 * right + 0.56 * noise).astype(np.float32)}
    for tolerance in compare.TOLERANCES.values():
        comparison = Comparison(differences(wrong, outputs()), tolerance, 1)
        assert not comparison.is_ok
        assert "NOT within" in comparison.report()


def test_ids_follow_from_values_and_are_passed_by() -> None:
    expected = outputs() | {"TOPK_IDS": np.zeros((2, 5, 3), np.int32)}
    found = outputs() | {"TOPK_IDS": np.ones((2, 5, 3), np.int32)}
    assert "TOPK_IDS" not in differences(found, expected)


def test_tf32_is_allowed_for_where_it_is_allowed() -> None:
    assert compare.tolerance_of("fp32", tf32=True) > compare.tolerance_of("fp32", tf32=False)
    assert compare.tolerance_of("fp16", tf32=False) == compare.TOLERANCES["fp16"]


def test_every_profile_hears_audio_that_it_takes() -> None:
    profiles = [
        {"WAV": [[1, 100], [2, 200], [3, 300]], "WAV_LENS": [[1], [2], [3]]},
        {"WAV": [[1, 1000], [2, 2000], [3, 3000]], "WAV_LENS": [[1], [2], [3]]},
    ]
    speech = np.linspace(-1, 1, 700, dtype=np.float32)
    samples = samples_of(PORTS, profiles, [speech], {})
    assert {sample.profile for sample in samples} == {0, 1}
    for sample in samples:
        rows, width = sample.inputs["WAV"].shape
        smallest, _, largest = profiles[sample.profile]["WAV"]
        assert smallest[0] <= rows <= largest[0]
        assert smallest[1] <= width <= largest[1]
        assert max(sample.inputs["WAV_LENS"]) <= width
    assert max(len(sample.inputs["WAV"]) for sample in samples) == 3


def test_what_an_encoder_takes_beside_audio_is_there() -> None:
    ports = [*PORTS, Port("LANGUAGE", INT32, ("N",)), Port("BIAS_EMBED", FLOAT, ("N", "H", 4))]
    shapes = {"WAV": [[1, 100], [1, 200], [1, 300]]}
    (sample, *_) = samples_of(ports, [shapes], [np.ones(200, np.float32)], {"LANGUAGE": 4})
    assert sample.inputs["LANGUAGE"].tolist() == [4]
    assert sample.inputs["BIAS_EMBED"].shape == (1, 1, 4)
    assert sample.inputs["LANGUAGE"].dtype == np.int32


def test_a_window_of_a_stream_is_speech_and_its_state_is_new() -> None:
    ports = [Port("CHUNK", FLOAT, ("N", 50)), Port("STATE", FLOAT, ("N", 7))]
    shapes = {"CHUNK": [[1, 50], [2, 50], [4, 50]], "STATE": [[1, 7], [2, 7], [4, 7]]}
    samples = samples_of(ports, [shapes], [np.ones(200, np.float32)], {})
    assert {sample.inputs["CHUNK"].shape[1] for sample in samples} == {50}
    assert not samples[0].inputs["STATE"].any()


def test_a_graph_without_audio_has_nothing_to_be_compared_on() -> None:
    with pytest.raises(PlanError, match="no audio among the inputs X"):
        samples_of([Port("X", FLOAT, ("N",))], [{"X": [[1]] * 3}], [], {})
