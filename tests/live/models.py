"""Small model repositories for a real tritonserver."""

import re
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from tests.build import tiny_nemo, tiny_whisper
from tests.conftest import ROOT
from tests.families.checkpoints import write_wav2vec2

ASSETS, VARIANTS = ROOT / "assets", ROOT / "tests" / "data" / "paraformer"
FAMILIES: dict[
    str, tuple[str, Path | Callable[[Path], Path]]
] = {  # by the name of the served model; a new family needs one line
    "transducer": ("icefall_transducer", ASSETS / "icefall-transducer"),
    "ctc": ("icefall_ctc", ASSETS / "icefall-ctc"),
    "wenet": ("wenet_u2", ASSETS / "wenet-u2"),
    "sense": ("sense_voice", ASSETS / "sense-voice"),
    "paraformer": ("paraformer", ASSETS / "paraformer"),
    "bicif": ("paraformer", VARIANTS / "bicif"),
    "contextual": ("paraformer", VARIANTS / "contextual"),
    "seaco": ("paraformer", VARIANTS / "seaco"),
    "nemo": ("nemo_ctc", tiny_nemo.write_ctc),
    "rnnt": ("nemo_transducer", tiny_nemo.write_transducer),
    "tdt": ("nemo_transducer", tiny_nemo.write_tdt),
    "whisper": ("whisper", tiny_whisper.write_merged),
    "wav2vec2": ("wav2vec2_ctc", write_wav2vec2("group")),
}
DOUBLE = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.double(request) for request in requests]

    def double(self, request):
        x = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor("Y", x * 2)])
"""
DOUBLE_CONFIG = """
backend: "python"
max_batch_size: 4
input { name: "X" data_type: TYPE_FP32 dims: -1 }
output { name: "Y" data_type: TYPE_FP32 dims: -1 }
instance_group { kind: KIND_CPU count: 2 }
"""
DEAF = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.hear_nothing() for _ in requests]

    def hear_nothing(self):
        text = pb_utils.Tensor("TRANSCRIPTS", np.array([[b""]], dtype=np.object_))
        return pb_utils.InferenceResponse([text])
"""
DEAF_CONFIG = """
backend: "python"
max_batch_size: 4
input { name: "WAV" data_type: TYPE_FP32 dims: -1 }
input { name: "WAV_LENS" data_type: TYPE_INT32 dims: 1 optional: true }
output { name: "TRANSCRIPTS" data_type: TYPE_STRING dims: 1 }
instance_group { kind: KIND_CPU count: 2 }
"""
SLOW = """
import time

import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(1)
        text = pb_utils.Tensor("TRANSCRIPTS", np.array([[b""]], dtype=np.object_))
        return [pb_utils.InferenceResponse([text]) for _ in requests]
"""
SLOW_CONFIG = f"""
{DEAF_CONFIG.replace("count: 2", "count: 1")}
dynamic_batching {{ default_queue_policy {{ max_queue_size: 1 }} }}
"""
GRAPH_CONFIG = """
backend: "onnxruntime"
max_batch_size: 16
input { name: "WAV" data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }
input { name: "WAV_LENS" data_type: TYPE_INT32 dims: 1 reshape { shape: [] } }
output { name: "LAST" data_type: TYPE_FP32 dims: 1 reshape { shape: [] } }
output { name: "OUT_LENS" data_type: TYPE_INT32 dims: 1 reshape { shape: [] } }
output { name: "ROWS" data_type: TYPE_INT64 dims: 1 reshape { shape: [] } }
instance_group { kind: KIND_CPU count: 1 }
dynamic_batching { max_queue_delay_microseconds: 300000 }
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
model_warmup {
  name: "two"
  batch_size: 2
  inputs { key: "WAV" value { data_type: TYPE_FP32 dims: 160 zero_data: true } }
  inputs { key: "WAV_LENS" value { data_type: TYPE_INT32 dims: 1 zero_data: true } }
}
"""
CALLER = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.call(request) for request in requests]

    def call(self, request):
        names = ("WAV", "WAV_LENS")
        inner = pb_utils.InferenceRequest(
            model_name="graph",
            requested_output_names=["OUT_LENS", "LAST"],
            inputs=[pb_utils.get_input_tensor_by_name(request, name) for name in names],
        ).exec()
        if inner.has_error():
            raise pb_utils.TritonModelException(inner.error().message())
        return pb_utils.InferenceResponse(inner.output_tensors())
"""
CALLER_CONFIG = """
backend: "python"
max_batch_size: 16
input { name: "WAV" data_type: TYPE_FP32 dims: -1 }
input { name: "WAV_LENS" data_type: TYPE_INT32 dims: 1 }
output { name: "OUT_LENS" data_type: TYPE_INT32 dims: 1 }
output { name: "LAST" data_type: TYPE_FP32 dims: 1 }
instance_group { kind: KIND_CPU count: 1 }
"""


def write_python_model(repository: Path, name: str, source: str, config: str) -> Path:
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    (folder / "1" / "model.py").write_text(source)
    return folder


def write_graph(
    repository: Path, name: str, graph: onnx.ModelProto, config: str, file_name: str = "model.onnx"
) -> Path:
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    onnx.save(graph, folder / "1" / file_name)
    return folder


def last_sample_graph(num_samples: int | None = None) -> onnx.ModelProto:
    """The only length that it takes is num_samples; None is any.

    LAST [N]: WAV at WAV_LENS - 1, which must exist.  OUT_LENS [N]: twice WAV_LENS.

    ROWS [N]: the rows that shared the run, the same in each.
    """
    tensor = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Sub", ["WAV_LENS", "one"], ["ends"]),
        helper.make_node("Cast", ["ends"], ["indices"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["indices", "axis_1"], ["columns"]),
        helper.make_node("GatherElements", ["WAV", "columns"], ["samples"], axis=1),
        helper.make_node("Squeeze", ["samples", "axis_1"], ["LAST"]),
        helper.make_node("Add", ["WAV_LENS", "WAV_LENS"], ["OUT_LENS"]),
        helper.make_node("Shape", ["WAV_LENS"], ["num_rows"]),
        helper.make_node("Expand", ["num_rows", "num_rows"], ["ROWS"]),
    ]
    graph = helper.make_graph(
        nodes,
        "last_sample",
        [
            tensor("WAV", TensorProto.FLOAT, ["N", num_samples or "L"]),
            tensor("WAV_LENS", TensorProto.INT32, ["N"]),
        ],
        [
            tensor("LAST", TensorProto.FLOAT, ["N"]),
            tensor("OUT_LENS", TensorProto.INT32, ["N"]),
            tensor("ROWS", TensorProto.INT64, ["N"]),
        ],
        [
            helper.make_tensor("one", TensorProto.INT32, [], [1]),
            helper.make_tensor("axis_1", TensorProto.INT64, [1], [1]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def choose(config: Path, **choices: str) -> None:
    """Set parameters of a config.pbtxt, if it is a pipeline's."""
    text = config.read_text()
    for name, value in choices.items():
        pattern = rf'(key: "{name}"\s+value \{{)[^}}]*'
        text = re.sub(pattern, rf'\g<1>\n    string_value: "{value}"\n  ', text)
    config.write_text(text)
