"""config.pbtxt as a protobuf value: the model that a client calls, and the encoder behind it."""

import hashlib
from collections.abc import Mapping, Sequence

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from auricle import wire
from auricle.build.export.graph import Port
from auricle.errors import RepositoryError
from auricle.spec import Choices

FILE_NAME = "config.pbtxt"
SIGNATURE = (
    "# Written by `auricle build`. Edit it freely: a rebuild keeps what you changed. sha256 "
)
MAX_BATCH_SIZE = 64
PREFERRED_BATCH_SIZE = 4  # searched together; more would leave the other instances idle
MAX_QUEUE_SIZE = 256  # requests; one more is answered UNAVAILABLE at once
QUEUE_TIMEOUT_US = 30_000_000  # a request may ask for less or more
# Of an instance at once. Further ones wait for the end of another, and meanwhile Triton counts
# them as idle: of 128, and with 1000 clients killed, 4 others lost their streams. A slot is cheap.
MAX_STREAMS = 2048
STREAM_DELAY_US = 1000  # for the windows of other streams to come along
OFFLINE_ONLY = ("max_padding", "max_batch_seconds", "bucket_seconds", "itn")  # windows are as long
BEAM_ONLY = (
    "beam", "max_beam", "max_nbest", "blank_penalty", "lm", "lm_weight", "lm_word_bonus",
    "lm_units", "hotwords", "hotwords_score",
)  # fmt: skip
VAD_ONLY = (
    "max_vad_seconds", "vad_workers", "vad_threshold", "vad_min_speech_duration_ms",
    "vad_min_silence_duration_ms", "vad_speech_pad_ms",
)  # fmt: skip
STREAMS_ONLY = ("endpoint", "endpoint_rule1", "endpoint_rule2", "endpoint_rule3")
# A parameter that is empty, as protobuf writes it, and so that one sees where to fill it in.
EMPTY_VALUE = ("  value {\n  }", '  value {\n    string_value: ""\n  }')
STREAM_IDLE_US = 60_000_000  # Triton forgets a stream that is silent for longer
TRITON_DTYPES = {"FLOAT": "FP32", "INT32": "INT32", "BYTES": "STRING"}  # where the names differ


def offline(
    name: str,
    choices: Choices,
    instances: int,
    *,
    takes_prompt: bool = False,
    takes_prefix: bool = False,
    without: Sequence[str] = VAD_ONLY + BEAM_ONLY,
) -> pb.ModelConfig:
    """Waveforms in, transcripts out: the same for every offline family.

    takes_prompt: whether old clients may send LANGUAGE and TEXT_NORM; takes_prefix: TEXT_PREFIX.
    without: the choices of which the model has no use.
    """
    numbers = [wire.LANGUAGE, wire.TEXT_NORM] if takes_prompt else []
    prompt = [*numbers, wire.TEXT_PREFIX] if takes_prefix else numbers
    return pb.ModelConfig(
        name=name,
        backend="python",
        max_batch_size=MAX_BATCH_SIZE,
        input=[
            _input(wire.WAV),
            *(_input(tensor, optional=True) for tensor in (wire.WAV_LENS, *prompt)),
        ],
        output=[_output(wire.TRANSCRIPTS), _output(wire.RESULT)],
        dynamic_batching=_batching(),
        instance_group=[_on_cpu(instances)],
        parameters=_parameters(choices.to_parameters(but=(*STREAMS_ONLY, *without))),
    )


def streaming(
    name: str, choices: Choices, instances: int, *, without: Sequence[str] = BEAM_ONLY
) -> pb.ModelConfig:
    """Samples in, the text so far out: the one stateful model, the same for every family.

    Flags and correlation id are read from the request, so no control tensors are declared.
    """
    others = (*OFFLINE_ONLY, *VAD_ONLY, *without)
    return pb.ModelConfig(
        name=name,
        backend="python",
        max_batch_size=MAX_BATCH_SIZE,
        input=[_input(wire.WAV), _input(wire.WAV_LENS, optional=True)],
        output=[_output(wire.TRANSCRIPTS), _output(wire.RESULT)],
        sequence_batching=pb.ModelSequenceBatching(
            max_sequence_idle_microseconds=STREAM_IDLE_US,
            oldest=pb.ModelSequenceBatching.StrategyOldest(
                max_candidate_sequences=MAX_STREAMS,
                max_queue_delay_microseconds=STREAM_DELAY_US,
            ),
        ),
        instance_group=[_on_cpu(instances)],
        parameters=_parameters(choices.to_parameters(but=others)),
    )


def encoder(
    name: str, ports: tuple[list[Port], list[Port]], choices: Choices, instances: int
) -> pb.ModelConfig:
    """The adapted graph as a model of its own, called with whole sub-batches.

    ports: the graph's inputs and outputs, the batch axis first.
    """
    inputs, outputs = ports
    return pb.ModelConfig(
        name=name,
        backend="onnxruntime",
        max_batch_size=MAX_BATCH_SIZE,
        input=[_with_dims(pb.ModelInput(), port) for port in inputs],
        output=[_with_dims(pb.ModelOutput(), port) for port in outputs],
        instance_group=[_on_cpu(instances)],
        parameters=_parameters({"intra_op_thread_count": str(choices.threads)}),
    )


def warm_up(
    inputs: Sequence[Port], num_samples: int, numbers: Mapping[str, int], rows: int = 1
) -> pb.ModelWarmup:
    """Silent utterances through the encoder before it is ready.

    numbers: of each integer input; below <model>/warmup, the file of that name holds it as an
    int32. All else is zeros.
    """
    files = {name: str(number) for name, number in numbers.items()}
    return pb.ModelWarmup(
        name=f"{num_samples} samples" if rows == 1 else f"{rows} x {num_samples} samples",
        batch_size=rows,
        inputs={port.name: _warm_up_input(port, num_samples, files) for port in inputs},
    )


def _warm_up_input(port: Port, num_samples: int, files: Mapping[str, str]) -> pb.ModelWarmup.Input:
    data_type = _data_type(port.dtype_name)
    if port.name in files:
        return pb.ModelWarmup.Input(data_type=data_type, dims=[1], input_data_file=files[port.name])
    variable = num_samples if port.name == wire.WAV.name else 1
    dims = [dim if isinstance(dim, int) else variable for dim in port.shape[1:]]
    return pb.ModelWarmup.Input(data_type=data_type, dims=dims, zero_data=True)


def render(config: pb.ModelConfig) -> str:
    """The text of config.pbtxt; its first line tells a later build whether anyone edited it."""
    body = text_format.MessageToString(config).replace(*EMPTY_VALUE)
    return f"{SIGNATURE}{_sha256(body)}\n{body}"


def parse(text: str) -> pb.ModelConfig:
    """RepositoryError if it is not the text of a ModelConfig."""
    try:
        return text_format.Parse(text, pb.ModelConfig())
    except text_format.ParseError as error:
        raise RepositoryError(f"{FILE_NAME} does not parse: {error}") from error


def is_edited(text: str) -> bool:
    """Whether the text differs from what was rendered."""
    first_line, _, body = text.partition("\n")
    return first_line != SIGNATURE + _sha256(body)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _batching() -> pb.ModelDynamicBatching:
    """No delay: a batch is what waited while the instances were busy."""
    return pb.ModelDynamicBatching(
        preferred_batch_size=[PREFERRED_BATCH_SIZE],
        default_queue_policy=pb.ModelQueuePolicy(
            timeout_action=pb.ModelQueuePolicy.REJECT,
            default_timeout_microseconds=QUEUE_TIMEOUT_US,
            allow_timeout_override=True,
            max_queue_size=MAX_QUEUE_SIZE,
        ),
    )


def _on_cpu(instances: int) -> pb.ModelInstanceGroup:
    return pb.ModelInstanceGroup(kind=pb.ModelInstanceGroup.KIND_CPU, count=instances)


def _parameters(values: dict[str, str]) -> dict[str, pb.ModelParameter]:
    return {name: pb.ModelParameter(string_value=value) for name, value in values.items()}


def _input(tensor: wire.Tensor, *, optional: bool = False) -> pb.ModelInput:
    return pb.ModelInput(
        name=tensor.name,
        data_type=_data_type(tensor.dtype),
        dims=tensor.shape,
        allow_ragged_batch=True,
        optional=optional,
    )


def _output(tensor: wire.Tensor) -> pb.ModelOutput:
    return pb.ModelOutput(name=tensor.name, data_type=_data_type(tensor.dtype), dims=tensor.shape)


def _with_dims(
    tensor: pb.ModelInput | pb.ModelOutput, port: Port
) -> pb.ModelInput | pb.ModelOutput:
    """The tensor filled from a port of the graph; a plain [N] travels as [N, 1]."""
    tensor.name = port.name
    tensor.data_type = _data_type(port.dtype_name)
    dims = [dim if isinstance(dim, int) else -1 for dim in port.shape[1:]]
    tensor.dims.extend(dims or [1])
    if not dims:
        tensor.reshape.SetInParent()
    return tensor


def _data_type(name: str) -> pb.DataType:
    return pb.DataType.Value(f"TYPE_{TRITON_DTYPES.get(name, name)}")
