"""WeNet's decoder as the graph that scores hypotheses."""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import GraphProto, TensorProto, helper

from auricle.build.export.adapt import adapt_ports
from auricle.build.export.graph import Graph
from auricle.build.export.heads import last_dim, value_info
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import find_maker, producers_of
from auricle.errors import CheckpointError, ParityError

PASSED_ON = ("Cast", "Identity", "Squeeze")
STEPS = {"fp32": 1e-5, "fp16": 5e-3, "bf16": 4e-2, "int8": 1e-5}  # relative
NUM_FRAMES, NUM_TOKENS = 23, 7  # of what the check scores


@dataclass(frozen=True)
class Facts:
    """beam: hypotheses that one run takes of an utterance."""

    beam: int
    is_bidirectional: bool


def read_facts(graph: Graph) -> Facts:
    beam = graph.inputs[2].shape[1]
    if not isinstance(beam, int):
        raise CheckpointError(
            f"{graph.path.name} does not state how many hypotheses {graph.inputs[2]} holds; export "
            "it with WeNet's export_onnx_gpu.py, whose --beam_size is in the graph"
        )
    return Facts(beam, is_bidirectional=len(graph.inputs) == 6)


def adapt_rescorer(graph: Graph) -> onnx.ModelProto:
    """The decoder with the scores float32 [B, beam] that it chooses by, instead of its choice.

    encoder_out float32 [B, T, D], encoder_out_lens int32 [B], hyps_pad_sos_eos int64 [B, beam, U],
    hyps_lens_sos int32 [B, beam], r_hyps_pad_sos_eos as hyps_pad_sos_eos where the decoder reads
    backwards, too, ctc_score float32 [B, beam].
    """
    facts = read_facts(graph)
    scored = onnx.ModelProto()
    scored.CopyFrom(graph.model)
    scores = _scores_of(scored.graph, graph)
    del scored.graph.output[:]
    scored.graph.output.append(helper.make_empty_tensor_value_info(scores))
    hypotheses = [value_info("hyps_pad_sos_eos", TensorProto.INT64, "B", facts.beam, "U")]
    if facts.is_bidirectional:
        hypotheses.append(value_info("r_hyps_pad_sos_eos", TensorProto.INT64, "B", facts.beam, "U"))
    inputs = [
        value_info("encoder_out", TensorProto.FLOAT, "B", "T", last_dim(graph.inputs[0])),
        value_info("encoder_out_lens", TensorProto.INT32, "B"),
        hypotheses[0],
        value_info("hyps_lens_sos", TensorProto.INT32, "B", facts.beam),
        *hypotheses[1:],
        value_info("ctc_score", TensorProto.FLOAT, "B", facts.beam),
    ]
    output = value_info("scores", TensorProto.FLOAT, "B", facts.beam)
    return adapt_ports(graph, scored, inputs, output)


def _scores_of(graph: GraphProto, published: Graph) -> str:
    """The tensor whose largest value is the published best_index."""
    node = find_maker(producers_of(graph), published.outputs[-1].name, PASSED_ON)
    if node is None or node.op_type not in ("ArgMax", "TopK"):
        raise CheckpointError(
            f"{published.path.name} does not choose its {published.outputs[-1].name} by ArgMax, "
            "so its scores cannot be told; export it with WeNet's export_onnx_gpu.py"
        )
    return str(node.input[0])


def check_rescorer(graph: Graph, adapted: onnx.ModelProto, vocab_size: int) -> str:
    """A line of a report; ParityError unless the best score is where the original chooses.

    Float16 adds scores up to steps of 0.1 %, as far as ONNX Runtime keeps to it.
    """
    inputs = _sample(adapted, read_facts(graph), vocab_size)
    chosen = Session(graph.model).run(_published(graph, adapted, inputs))[graph.outputs[-1].name]
    scores = Session(adapted).run(inputs)["scores"]
    at_choice = scores[np.arange(len(scores)), chosen.reshape(-1).astype(np.int64)]
    best = scores.max(axis=1)
    if not (best - at_choice <= STEPS[graph.precision] * np.abs(best)).all():
        raise ParityError(
            f"the scores of {graph.path.name} choose {scores.argmax(axis=1).tolist()}, the "
            f"original {chosen.reshape(-1).tolist()}; nothing was written; please report this "
            "checkpoint"
        )
    return f"rescorer  chooses as the original among {scores.shape[1]} hypotheses, 2 utterances"


def _sample(adapted: onnx.ModelProto, facts: Facts, vocab_size: int) -> dict[str, Array]:
    """Two utterances of noise, with hypotheses of every length."""
    rng = np.random.default_rng(0)
    dim = adapted.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    shape = (2, facts.beam)
    lens = rng.integers(1, NUM_TOKENS, shape).astype(np.int32)
    hyps = rng.integers(1, vocab_size, (*shape, NUM_TOKENS))
    inputs: dict[str, Array] = {
        "encoder_out": rng.normal(0, 1, (2, NUM_FRAMES, dim)).astype(np.float32),
        "encoder_out_lens": np.array([NUM_FRAMES, NUM_FRAMES // 2], np.int32),
        "hyps_pad_sos_eos": hyps,
        "hyps_lens_sos": lens,
        "ctc_score": rng.normal(-5, 2, shape).astype(np.float32),
    }
    reversed_hyps: dict[str, Array] = {"r_hyps_pad_sos_eos": hyps[:, :, ::-1].copy()}
    return inputs | reversed_hyps if facts.is_bidirectional else inputs


def _published(
    graph: Graph, adapted: onnx.ModelProto, inputs: dict[str, Array]
) -> dict[str, Array]:
    """The same inputs under the published names and types."""
    return {
        port.name: inputs[value.name].astype(helper.tensor_dtype_to_np_dtype(port.dtype))
        for port, value in zip(graph.inputs, adapted.graph.input, strict=True)
    }
