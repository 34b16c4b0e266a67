"""config.pbtxt as a protobuf value: the model a client calls, and the encoder it may call."""

import hashlib

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from auricle import wire
from auricle.errors import RepositoryError
from auricle.spec import Choices

FILE_NAME = "config.pbtxt"
AUTHOR = "# Written by `auricle build`; edit it freely, a rebuild keeps what you changed. sha256 "
MAX_BATCH_SIZE = 64
MAX_QUEUE_SIZE = 256  # more waiting requests are answered UNAVAILABLE at once
QUEUE_TIMEOUT_US = 30_000_000  # a request may ask for less or more
WARMUP_SAMPLES = 16000


def offline(name: str, choices: Choices, instances: int) -> pb.ModelConfig:
    """Waveforms in, transcripts out: the same for every offline family."""
    return pb.ModelConfig(
        name=name,
        backend="python",
        max_batch_size=MAX_BATCH_SIZE,
        input=[
            _input(wire.WAV, allow_ragged_batch=True),
            _input(wire.WAV_LENS, allow_ragged_batch=True, optional=True),
        ],
        output=[_output(wire.TRANSCRIPTS), _output(wire.RESULT)],
        dynamic_batching=_batching(choices.max_sub_batch),
        instance_group=[_cpu(instances)],
        parameters={
            key: pb.ModelParameter(string_value=value)
            for key, value in choices.to_parameters().items()
        },
    )


def encoder(
    name: str, outputs: list[tuple[str, str, tuple[int, ...]]], choices: Choices
) -> pb.ModelConfig:
    return pb.ModelConfig(name=name)


def _batching(preferred: int) -> pb.ModelDynamicBatching:
    return pb.ModelDynamicBatching(
        preferred_batch_size=[preferred],
        default_queue_policy=pb.ModelQueuePolicy(
            timeout_action=pb.ModelQueuePolicy.REJECT,
            default_timeout_microseconds=QUEUE_TIMEOUT_US,
            allow_timeout_override=True,
            max_queue_size=MAX_QUEUE_SIZE,
        ),
    )


def _cpu(instances: int) -> pb.ModelInstanceGroup:
    return pb.ModelInstanceGroup(kind=pb.ModelInstanceGroup.KIND_CPU, count=instances)


def _input(
    tensor: wire.Tensor, *, allow_ragged_batch: bool = False, optional: bool = False
) -> pb.ModelInput:
    return pb.ModelInput(
        name=tensor.name,
        data_type=_data_type(tensor.dtype),
        dims=tensor.shape,
        allow_ragged_batch=allow_ragged_batch,
        optional=optional,
    )


def _output(tensor: wire.Tensor) -> pb.ModelOutput:
    return pb.ModelOutput(name=tensor.name, data_type=_data_type(tensor.dtype), dims=tensor.shape)


def _data_type(dtype: str) -> int:
    """Triton calls BYTES strings in a configuration and bytes on the wire."""
    return pb.DataType.Value(f"TYPE_{'STRING' if dtype == 'BYTES' else dtype}")


def render(config: pb.ModelConfig) -> str:
    """The text of config.pbtxt; its first line tells a later build whether anyone edited it."""
    body = text_format.MessageToString(config)
    return f"{AUTHOR}{_digest(body)}\n{body}"


def parse(text: str) -> pb.ModelConfig:
    """RepositoryError if it is not the text of a ModelConfig."""
    try:
        return text_format.Parse(text, pb.ModelConfig())
    except text_format.ParseError as error:
        raise RepositoryError(f"{FILE_NAME} does not parse: {error}") from error


def is_edited(text: str) -> bool:
    """Whether someone changed the text since it was rendered."""
    first, _, body = text.partition("\n")
    return first != AUTHOR + _digest(body)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
