"""A streaming model of a few nodes, whose every token depends on all that its stream has heard."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from auricle.spec import Choices, PipelineSpec, Source, Streaming
from tests.live.models import write_graph

SAMPLE_RATE = 1600
IDLE_S = 2.0
SYMBOLS = ["<blk>"] + [f"▁{first}{second}" for first in "aeiou" for second in "bdgkl"]
SPEC = PipelineSpec(
    family="icefall_ctc",
    head="ctc",
    sample_rate=SAMPLE_RATE,
    seconds_per_frame=0.01,
    graphs={"encoder": "encoder.onnx"},
    tokens="tokens.txt",
    token_kind="bpe",
    blank_id=0,
    unk_id=None,
    context_size=0,
    max_seconds=None,
    source=Source("nowhere", None, {}),
    streaming=Streaming(window=120, hop=64, reflected=12, state_size=2, num_frames=4),
)
CONFIG = """
backend: "python"
max_batch_size: 64
input { name: "WAV" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }
input {
  name: "WAV_LENS" data_type: TYPE_INT32 dims: 1 optional: true allow_ragged_batch: true
}
output { name: "TRANSCRIPTS" data_type: TYPE_STRING dims: 1 }
output { name: "RESULT" data_type: TYPE_STRING dims: 1 }
instance_group { kind: KIND_CPU count: %d }
sequence_batching {
  max_sequence_idle_microseconds: %d
  oldest { max_candidate_sequences: 64 max_queue_delay_microseconds: 1000 }
}
"""
MODEL = "from auricle.serve.backend.streaming import TritonPythonModel  # noqa: F401\n"


def write_stream_model(repository: Path, name: str, choices: Choices, instances: int = 1) -> Path:
    config = CONFIG % (instances, int(1e6 * IDLE_S))
    for key, value in choices.to_parameters().items():
        config += f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
    folder = write_graph(repository, name, hearing_graph(), config, "encoder.onnx")
    lines = [f"{symbol} {number}\n" for number, symbol in enumerate(SYMBOLS)]
    (folder / "1" / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "1" / "model.py").write_text(MODEL)
    SPEC.save(folder / "1")
    return folder


def hearing_graph() -> onnx.ModelProto:
    """Samples count in eighths. STATE[0] is a number made of all hops, STATE[1] counts them.

    A frame whose samples sum to zero is blank, and one of three others has a token.
    """
    node = helper.make_node
    nodes = [
        node("Mul", ["CHUNK", "eight"], ["eighths"]),
        node("Round", ["eighths"], ["rounded"]),
        node("Cast", ["rounded"], ["samples"], to=TensorProto.INT64),
        node("Slice", ["samples", "zero", "hop", "one"], ["hop_samples"]),
        node("Slice", ["samples", "hop", "far", "one"], ["tail_samples"]),
        node("Reshape", ["hop_samples", "frames"], ["by_frame"]),
        node("ReduceSum", ["by_frame", "two"], ["sums"], keepdims=0),
        node("ReduceSum", ["tail_samples", "one"], ["tail"], keepdims=1),
        node("Cast", ["STATE"], ["state"], to=TensorProto.INT64),
        node("Slice", ["state", "zero", "one", "one"], ["past"]),
        node("Mul", ["sums", "seven"], ["sums_7"]),
        node("Mul", ["tail", "three"], ["tail_3"]),
        node("Add", ["sums_7", "tail_3"], ["present"]),
        node("Add", ["present", "past"], ["all"]),
        node("Mod", ["all", "ninety_seven"], ["heard"]),
        node("Mod", ["heard", "three"], ["third"]),
        node("Equal", ["third", "zero"], ["is_third"]),
        node("Equal", ["sums", "zero"], ["is_silent"]),
        node("Not", ["is_silent"], ["is_loud"]),
        node("And", ["is_third", "is_loud"], ["is_token"]),
        node("Mod", ["heard", "twenty_five"], ["token"]),
        node("Add", ["token", "one"], ["token_1"]),
        node("Where", ["is_token", "token_1", "zero"], ["ids"]),
        node("Unsqueeze", ["ids", "two"], ["ids_k"]),
        node("Cast", ["ids_k"], ["TOPK_IDS"], to=TensorProto.INT32),
        node("Neg", ["heard"], ["minus_heard"]),
        node("Cast", ["minus_heard"], ["BLANK_LOG_PROBS"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["BLANK_LOG_PROBS", "two"], ["TOPK_LOG_PROBS"]),
        node("Mul", ["sums", "weights"], ["weighted"]),
        node("ReduceSum", ["weighted", "one"], ["hop_number"], keepdims=1),
        node("Mul", ["past", "thirty_one"], ["past_31"]),
        node("Add", ["past_31", "hop_number"], ["mixed"]),
        node("Mod", ["mixed", "eighty_nine"], ["new_past"]),
        node("Slice", ["state", "one", "far", "one"], ["count"]),
        node("Add", ["count", "one"], ["new_count"]),
        node("Concat", ["new_past", "new_count"], ["new_state"], axis=1),
        node("Cast", ["new_state"], ["NEW_STATE"], to=TensorProto.FLOAT),
    ]
    numbers = {
        "zero": [0], "one": [1], "two": [2], "three": [3], "seven": [7], "twenty_five": [25],
        "thirty_one": [31], "eighty_nine": [89], "ninety_seven": [97], "hop": [64],
        "far": [1 << 30], "frames": [0, 4, 16], "weights": [1, 2, 3, 4],
    }  # fmt: skip
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
        for name, values in numbers.items()
    ]
    constants.append(helper.make_tensor("eight", TensorProto.FLOAT, [1], [8.0]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "hearing",
        [
            value("CHUNK", TensorProto.FLOAT, ["N", 120]),
            value("STATE", TensorProto.FLOAT, ["N", 2]),
        ],
        [
            value("TOPK_IDS", TensorProto.INT32, ["N", 4, 1]),
            value("TOPK_LOG_PROBS", TensorProto.FLOAT, ["N", 4, 1]),
            value("BLANK_LOG_PROBS", TensorProto.FLOAT, ["N", 4]),
            value("NEW_STATE", TensorProto.FLOAT, ["N", 2]),
        ],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
