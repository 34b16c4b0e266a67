"""What a graph is, told by what it shows: kinds and axes first, names last.

Exporters disagree about names, so these only tell apart what nothing else does.
"""

from pathlib import Path
from typing import Literal

from auricle.build.export.graph import Graph, Port, load_graph
from auricle.build.export.states import next_names, plain_outputs
from auricle.errors import CheckpointError

Role = Literal[
    "encoder", "ctc", "decoder", "joiner",
    "wenet_encoder", "wenet_decoder",
    "paraformer", "hotword_embedder", "sense_voice",
    "streaming_encoder", "streaming_ctc", "wenet_streaming_encoder",
    "paraformer_online", "paraformer_online_decoder",
    "nemo_ctc", "nemo_encoder", "nemo_streaming_ctc", "nemo_streaming_encoder",
    "nemo_decoder_joint", "nemo_decoder", "nemo_joiner",
    "wav2vec2_ctc", "silero_vad",
]  # fmt: skip
Form = tuple[str, int]  # kind of numbers, number of axes

TITLES: dict[Role, str] = {
    "encoder": "icefall encoder",
    "ctc": "icefall CTC model",
    "decoder": "icefall decoder",
    "joiner": "icefall joiner",
    "wenet_encoder": "WeNet encoder",
    "wenet_decoder": "WeNet decoder",
    "paraformer": "Paraformer",
    "hotword_embedder": "hotword embedder of a Paraformer",
    "sense_voice": "SenseVoice model",
    "streaming_encoder": "streaming icefall encoder",
    "streaming_ctc": "streaming icefall CTC model",
    "wenet_streaming_encoder": "streaming WeNet encoder",
    "paraformer_online": "encoder of an online Paraformer",
    "paraformer_online_decoder": "decoder of an online Paraformer",
    "nemo_ctc": "NeMo CTC model",
    "nemo_encoder": "NeMo encoder",
    "nemo_streaming_ctc": "streaming NeMo CTC model",
    "nemo_streaming_encoder": "streaming NeMo encoder",
    "nemo_decoder_joint": "NeMo decoder and joint network",
    "nemo_decoder": "NeMo decoder",
    "nemo_joiner": "NeMo joint network",
    "wav2vec2_ctc": "wav2vec2 with a CTC head",
    "silero_vad": "Silero's detector of speech, in the form of whole sequences",
}
FEATURES, LENS, IDS, FRAMES = ("float", 3), ("integer", 1), ("integer", 2), ("float", 2)
HYPOTHESES = ("integer", 3)
CACHE = ("float", 4)
MIN_STACKED_BINS = 200  # FunASR stacks seven frames of 80; nobody has as many mel bins
ENCODER_FORM = [FEATURES, LENS]
WENET_STREAMING = ([FEATURES, HYPOTHESES, FEATURES, LENS], [FEATURES, FEATURES, LENS])
SILERO = ([FRAMES, FEATURES, FEATURES], [("float", 1), FEATURES, FEATURES])
WAV2VEC2 = ([FRAMES], [FRAMES, IDS])  # samples, and perhaps an attention_mask
STREAMING: tuple[Role, ...] = ("streaming_encoder", "streaming_ctc", "wenet_streaming_encoder")
NEMO_STREAMING = [FEATURES, LENS, CACHE, CACHE, LENS]  # inputs and outputs alike
LSTM = [FEATURES, FEATURES]  # its two states
NEMO_PREDICTORS: dict[Role, tuple[list[Form], list[Form]]] = {
    "nemo_decoder_joint": ([FEATURES, IDS, LENS, *LSTM], [CACHE, LENS, *LSTM]),
    "nemo_decoder": ([IDS, LENS, *LSTM], [FEATURES, LENS, *LSTM]),
    "nemo_joiner": ([FEATURES, FEATURES], [CACHE]),
}
OWN_AXES: tuple[Role, ...] = (
    "hotword_embedder", "nemo_decoder", "nemo_decoder_joint", "silero_vad",
)  # fmt: skip
WENET_CPU_EXPORT = {"required_cache_size", "att_cache"}


def read_graph(path: Path, *roles: Role) -> Graph:
    """CheckpointError if the file is no whole ONNX model, or plays none of the roles."""
    graph = load_graph(path)
    require(graph, *roles)
    return graph


def is_streaming(graph: Graph) -> bool:
    """Whether it works window by window."""
    return classify(graph) in STREAMING


def require(graph: Graph, *roles: Role) -> None:
    """CheckpointError, listing what was seen, unless the graph plays a role for any batch."""
    reason = _objection(graph, roles)
    if reason:
        raise CheckpointError(f"{graph.path.name} {reason}; seen:\n{graph.describe()}")


def _objection(graph: Graph, roles: tuple[Role, ...]) -> str | None:
    if reason := _takes_one_stream(graph):
        return reason
    seen = classify(graph)
    if seen is None:
        return (
            "is no graph that is known here; an encoder or CTC model takes x [N, T, F] and x_lens "
            "[N], or a window and states that it gives again, a decoder y [N, context], a joiner "
            "encoder_out and decoder_out [N, J], WeNet's decoder hyps_pad_sos_eos [N, beam, U]"
        )
    if seen not in roles:
        wanted = " or the ".join(TITLES[role] for role in roles)
        return f"looks like the {TITLES[seen]}, but the {wanted} is needed"
    if graph.metadata.get("feature", "fbank") != "fbank":
        return f"wants {graph.metadata['feature']!r} features; known: fbank"
    fixed = [port.name for port in (*graph.inputs, *graph.outputs) if _has_fixed_batch(port)]
    if fixed and seen not in (*STREAMING, *OWN_AXES):
        return (
            f"has a fixed batch size at {', '.join(fixed)}; export it with dynamic axes and the "
            "exporter that keeps them (torch.onnx.export(..., dynamo=False))"
        )
    return None


def _takes_one_stream(graph: Graph) -> str | None:
    if {port.name for port in graph.inputs} >= WENET_CPU_EXPORT:
        return (
            "is of WeNet's export_onnx_cpu.py, one utterance at a time, chunk by chunk; export the "
            "checkpoint again with export_onnx_gpu.py"
        )
    return None


def classify(graph: Graph) -> Role | None:
    inputs = [port.form for port in graph.inputs]
    outputs = [port.form for port in graph.outputs]
    if nemo := _classify_nemo(graph, inputs, outputs):
        return nemo
    if next_names(graph) or "decode_chunk_len" in graph.metadata:
        return _classify_streaming(graph, [port.form for port in plain_outputs(graph)])
    if inputs[:2] == ENCODER_FORM:
        return _classify_acoustic(graph, inputs[2:], outputs)
    if inputs == [IDS]:
        is_embedder = outputs == [FEATURES] and _has_fixed_batch(graph.outputs[0])
        return "hotword_embedder" if is_embedder else "decoder"
    return _classify_frames(inputs, outputs)


def _classify_nemo(graph: Graph, inputs: list[Form], outputs: list[Form]) -> Role | None:
    """NeMo's graphs have features before frames, and states before the batch."""
    if inputs == outputs == NEMO_STREAMING:
        is_ctc = _is_open(graph.outputs[0], 1) or "logprobs" in graph.outputs[0].name
        return "nemo_streaming_ctc" if is_ctc else "nemo_streaming_encoder"
    for role, forms in NEMO_PREDICTORS.items():
        if (inputs, outputs) == forms:
            return role
    if inputs != ENCODER_FORM or _is_open(graph.inputs[0], 1) or not _is_open(graph.inputs[0], 2):
        return None
    if outputs == [FEATURES]:
        return "nemo_ctc"
    return "nemo_encoder" if outputs == ENCODER_FORM else None


def _is_open(port: Port, axis: int) -> bool:
    return not isinstance(port.shape[axis], int)


def _classify_frames(inputs: list[Form], outputs: list[Form]) -> Role | None:
    """Graphs whose first input is a float [N, D]: samples, or one frame of each row."""
    if inputs in WAV2VEC2 and outputs == [FEATURES]:
        return "wav2vec2_ctc"
    if (inputs, outputs) == SILERO:
        return "silero_vad"
    return "joiner" if inputs == [FRAMES, FRAMES] else None


def _classify_acoustic(graph: Graph, beside: list[Form], outputs: list[Form]) -> Role | None:
    """Graphs whose first inputs are a float [N, T, F] and lengths [N]."""
    if outputs[:2] != ENCODER_FORM:
        return _classify_decoder(beside, outputs)
    if _is_stacked(graph.inputs[0]):
        return _classify_funasr(beside, outputs)
    if outputs == [FEATURES, LENS, FEATURES, FEATURES, HYPOTHESES] and not beside:
        return "wenet_encoder"
    if beside or len(outputs) > 2:
        return None
    return "ctc" if _gives_log_probs(graph) else "encoder"


def _classify_decoder(beside: list[Form], outputs: list[Form]) -> Role | None:
    """Graphs that take an encoder's output and what they score or complete."""
    if beside[:1] == [HYPOTHESES]:
        return "wenet_decoder"
    is_online = beside[:2] == ENCODER_FORM and outputs[:2] == [FEATURES, IDS]
    return "paraformer_online_decoder" if is_online else None


def _classify_streaming(graph: Graph, outputs: list[Form]) -> Role | None:
    """outputs: those that are no states."""
    if graph.inputs[0].form != FEATURES:
        return None
    if outputs in WENET_STREAMING:
        return "wenet_streaming_encoder"
    if outputs[:1] != [FEATURES] or len(outputs) > 2:
        return None
    return "streaming_ctc" if _gives_log_probs(graph) else "streaming_encoder"


def _gives_log_probs(graph: Graph) -> bool:
    return "log_probs" in graph.outputs[0].name or "ctc" in graph.metadata.get("model_type", "")


def _classify_funasr(beside: list[Form], outputs: list[Form]) -> Role | None:
    if outputs == [*ENCODER_FORM, FRAMES] and not beside:
        return "paraformer_online"
    if beside == [LENS, LENS]:
        return "sense_voice"
    return "paraformer" if beside in ([], [FEATURES]) else None


def _is_stacked(features: Port) -> bool:
    size = features.shape[-1]
    return isinstance(size, int) and size >= MIN_STACKED_BINS


def _has_fixed_batch(port: Port) -> bool:
    return bool(port.shape) and isinstance(port.shape[0], int)
