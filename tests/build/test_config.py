"""config.pbtxt: what is rendered is what Triton parses, and edits are noticed."""

import pytest
from tritonclient.grpc import model_config_pb2 as pb

from auricle import wire
from auricle.build.export.graph import Port
from auricle.build.repository import config
from auricle.errors import RepositoryError
from auricle.spec import Choices, parse_choices

FLOAT, INT32 = 1, 6  # ONNX's numbers
PORTS = (
    [Port("WAV", FLOAT, ("N", "L")), Port("WAV_LENS", INT32, ("N",))],
    [Port("ENCODER_OUT", FLOAT, ("N", "T", 128)), Port("OUT_LENS", INT32, ("N",))],
)
PIPELINE = config.offline("demo", Choices(), instances=2)
LIVE = config.streaming("live", Choices(), instances=2)
ENCODER = config.encoder("demo__encoder", PORTS, Choices(threads=3), instances=2)


@pytest.mark.parametrize("value", [PIPELINE, LIVE, ENCODER], ids=["pipeline", "live", "encoder"])
def test_what_is_rendered_is_what_is_parsed(value: pb.ModelConfig) -> None:
    assert config.parse(config.render(value)) == value


def test_a_pipeline_has_the_tensors_of_the_wire() -> None:
    names = [[tensor.name for tensor in side] for side in (PIPELINE.input, PIPELINE.output)]
    assert names == [["WAV", "WAV_LENS"], ["TRANSCRIPTS", "RESULT"]]
    assert [list(tensor.dims) for tensor in PIPELINE.input] == [[-1], [1]]
    assert [tensor.data_type for tensor in PIPELINE.output] == [pb.TYPE_STRING, pb.TYPE_STRING]
    assert wire.WAV.dtype == "FP32"
    assert PIPELINE.input[0].data_type == pb.TYPE_FP32


def test_requests_of_any_length_share_a_batch() -> None:
    assert all(tensor.allow_ragged_batch for tensor in PIPELINE.input)
    assert [tensor.optional for tensor in PIPELINE.input] == [False, True]


def test_a_model_of_streams_has_the_tensors_of_the_wire() -> None:
    assert list(LIVE.input) == list(PIPELINE.input)
    assert list(LIVE.output) == list(PIPELINE.output)


def test_chunks_of_streams_share_a_batch() -> None:
    batching = LIVE.sequence_batching
    assert batching.WhichOneof("strategy_choice") == "oldest"
    assert batching.oldest.max_candidate_sequences == 2048
    assert not LIVE.HasField("dynamic_batching")


def test_how_long_a_stream_may_be_silent_is_stated() -> None:
    assert LIVE.sequence_batching.max_sequence_idle_microseconds == 60_000_000


def test_what_is_for_utterances_alone_is_no_parameter_of_streams() -> None:
    assert sorted(PIPELINE.parameters.keys() - LIVE.parameters.keys()) == [
        "bucket_seconds", "itn", "max_batch_seconds", "max_padding",
    ]  # fmt: skip


def test_what_is_for_streams_alone_is_no_parameter_of_utterances() -> None:
    assert sorted(LIVE.parameters.keys() - PIPELINE.parameters.keys()) == [
        "endpoint", "endpoint_rule1", "endpoint_rule2", "endpoint_rule3",
    ]  # fmt: skip
    assert parse_choices({k: v.string_value for k, v in LIVE.parameters.items()}) == Choices()


def test_the_queue_is_bounded_in_length_and_time() -> None:
    policy = PIPELINE.dynamic_batching.default_queue_policy
    assert policy.timeout_action == pb.ModelQueuePolicy.REJECT
    assert policy.max_queue_size == 256
    assert policy.default_timeout_microseconds == 30_000_000
    assert policy.allow_timeout_override


def test_choices_travel_as_parameters() -> None:
    choices = Choices(runner="bls", lookahead=8, max_audio_seconds=39.76)
    parameters = config.offline("demo", choices, instances=1).parameters
    assert parse_choices({key: value.string_value for key, value in parameters.items()}) == choices


def test_a_plain_length_travels_with_an_axis_of_one() -> None:
    for tensor in (ENCODER.input[1], ENCODER.output[1]):
        assert list(tensor.dims) == [1]
        assert tensor.HasField("reshape")
        assert list(tensor.reshape.shape) == []


def test_an_encoder_has_the_shapes_of_its_graph() -> None:
    assert list(ENCODER.output[0].dims) == [-1, 128]
    assert ENCODER.output[0].data_type == pb.TYPE_FP32
    assert ENCODER.output[1].data_type == pb.TYPE_INT32
    assert ENCODER.parameters["intra_op_thread_count"].string_value == "3"


def test_only_a_model_with_a_prompt_takes_the_numbers_of_old_clients() -> None:
    value = config.offline("demo", Choices(), instances=2, takes_prompt=True)
    assert [tensor.name for tensor in value.input] == ["WAV", "WAV_LENS", "LANGUAGE", "TEXT_NORM"]
    assert [tensor.optional for tensor in value.input] == [False, True, True, True]
    assert {tensor.data_type for tensor in value.input[1:]} == {pb.TYPE_INT32}


def test_a_warm_up_says_how_long_it_is() -> None:
    warm_up = config.warm_up(PORTS[0], 16000, {"WAV_LENS": 16000})
    assert list(warm_up.inputs["WAV"].dims) == [16000]
    assert warm_up.inputs["WAV"].zero_data
    assert warm_up.inputs["WAV_LENS"].input_data_file == "16000"


def test_a_warm_up_has_every_input_of_the_encoder() -> None:
    sides = [Port("LANGUAGE", INT32, ("N",)), Port("BIAS_EMBED", FLOAT, ("N", "H", 512))]
    numbers = {"WAV_LENS": 16000, "LANGUAGE": 3}
    warm_up = config.warm_up([*PORTS[0], *sides], 16000, numbers)
    assert sorted(warm_up.inputs) == ["BIAS_EMBED", "LANGUAGE", "WAV", "WAV_LENS"]
    assert warm_up.inputs["LANGUAGE"].input_data_file == "3"
    assert warm_up.inputs["LANGUAGE"].data_type == pb.TYPE_INT32
    assert list(warm_up.inputs["BIAS_EMBED"].dims) == [1, 512]


def test_the_first_line_says_who_wrote_it() -> None:
    assert config.render(PIPELINE).startswith("# Written by `auricle build`")


def test_an_empty_parameter_shows_where_to_fill_it_in() -> None:
    text = config.render(config.offline("demo", Choices(), 2, without=()))
    assert 'key: "lm"\n  value {\n    string_value: ""\n  }' in text
    assert config.parse(text).parameters["lm"].string_value == ""


def test_what_was_rendered_is_not_edited() -> None:
    assert not config.is_edited(config.render(PIPELINE))


@pytest.mark.parametrize(("old", "new"), [("count: 2", "count: 4"), ("# Written by", "# Mine, by")])
def test_any_edit_is_noticed(old: str, new: str) -> None:
    assert config.is_edited(config.render(PIPELINE).replace(old, new))


def test_what_is_no_configuration_is_refused() -> None:
    with pytest.raises(RepositoryError, match=r"config\.pbtxt does not parse"):
        config.parse("name: demo")
