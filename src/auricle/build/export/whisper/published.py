"""The decoder as its exporter writes it, whichever that is: optimum's two or one, or sherpa-onnx's.

https://github.com/huggingface/optimum-onnx/blob/main/optimum/exporters/onnx/model_configs.py
https://github.com/k2-fsa/sherpa-onnx/blob/master/scripts/whisper/export-onnx.py
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from onnx import TensorProto

from auricle.build.export.graph import Graph, Port, load_graph, port_of
from auricle.build.export.precision import Arithmetic, at_precision
from auricle.errors import CheckpointError

CACHE = re.compile(r"(?P<layer>\d+)\.(?P<kind>decoder|encoder)\.(?P<part>key|value)$")
IDS = ("integer", 2)
OFFSET = ("integer", 1)  # sherpa-onnx's; cache_position of transformers 4.43 to 4.45
HIDDEN, CACHED = ("float", 3), ("float", 4)
SHERPA_FORM = [IDS, CACHED, CACHED, CACHED, CACHED, OFFSET]


@dataclass(frozen=True)
class Optimum:
    """first: gives keys and values of the audio.  step: takes them, and one token.

    tokens, hidden: first's inputs.  made: first's output for each of step's cross inputs.
    pasts: step's output for each of its inputs with a cache of self-attention.
    first_pasts: first's output for them.
    """

    first: Graph
    step: Graph
    tokens: Port
    hidden: Port
    made: dict[str, str]
    pasts: dict[str, str]
    first_pasts: dict[str, str]

    def at_precision(self, arithmetic: Arithmetic) -> "Optimum":
        graphs = [at_precision(graph, arithmetic) for graph in (self.first, self.step)]
        return replace(self, first=graphs[0], step=graphs[1])


@dataclass(frozen=True)
class Sherpa:
    """step: takes tokens, two caches, two stacks of all layers' keys and values, an offset."""

    step: Graph

    def at_precision(self, arithmetic: Arithmetic) -> "Sherpa":
        return Sherpa(at_precision(self.step, arithmetic))


Decoder = Optimum | Sherpa


def read_decoder(paths: list[Path]) -> Decoder:
    """paths: decoder_model.onnx and decoder_with_past_model.onnx, or one graph.

    CheckpointError, listing what was seen, if they are no Whisper's.
    """
    graphs = [load_graph(path) for path in paths]
    if len(graphs) == 2:
        return _pair(*graphs)
    if [port.form for port in graphs[0].inputs] == SHERPA_FORM:
        return Sherpa(graphs[0])
    return _pair(*split(graphs[0]))


def split(merged: Graph) -> tuple[Graph, Graph]:
    """Optimum's two decoders out of the If that joins them: that of the start, that of a step."""
    nodes = list(merged.model.graph.node)
    conditions = [node for node in nodes if node.op_type == "If"]
    if len(nodes) != 1 or not conditions:
        raise CheckpointError(
            f"{merged.path.name} is no decoder of Whisper that is known here: neither optimum's "
            "decoder_model_merged.onnx, one If over use_cache_branch, nor sherpa-onnx's, with "
            f"caches and an offset; seen:\n{merged.describe()}"
        )
    branches = {each.name: each.g for each in conditions[0].attribute}
    outputs = [value.name for value in merged.model.graph.output]
    first, step = branches["else_branch"], branches["then_branch"]
    return _branch(merged, first, outputs), _branch(merged, step, outputs)


def _branch(merged: Graph, branch: onnx.GraphProto, names: list[str]) -> Graph:
    """A branch as a graph of its own; it reads only some of the inputs."""
    model = onnx.ModelProto()
    model.CopyFrom(merged.model)
    graph = model.graph
    del graph.node[:]
    graph.node.extend(branch.node)
    own = {tensor.name for tensor in branch.initializer}
    shared = [tensor for tensor in graph.initializer if tensor.name not in own]
    del graph.initializer[:]
    graph.initializer.extend([*shared, *branch.initializer])
    read = {name for node in branch.node for name in node.input}
    values = [value for value in merged.model.graph.input if value.name in read]
    del graph.input[:], graph.output[:]
    graph.input.extend(values)
    constants = {node.output[0] for node in branch.node if node.op_type == "Constant"}
    for value, name in zip(branch.output, names, strict=True):
        if value.name not in constants:  # that of a step fills in for what it does not give
            graph.node.append(onnx.helper.make_node("Identity", [value.name], [f"given/{name}"]))
            copy = graph.output.add()
            copy.CopyFrom(value)
            copy.name = f"given/{name}"
    inputs, outputs = (tuple(map(port_of, side)) for side in (graph.input, graph.output))
    return Graph(merged.path, model, inputs, outputs, merged.metadata)


def _pair(first: Graph, step: Graph) -> Optimum:
    tokens = [port for port in first.inputs if port.form == IDS]
    hidden = [port for port in first.inputs if port.form == HIDDEN]
    given, taken = _caches(first.outputs), _caches(step.inputs)
    kept = _caches(step.outputs)
    cross = {key for key in taken if key[1] == "encoder"}
    own = {key for key in taken if key[1] == "decoder"}
    is_whole = cross and own <= kept.keys() and cross | own <= given.keys()
    if len(tokens) != 1 or len(hidden) != 1 or not is_whole:
        raise CheckpointError(_objection(first, step))
    return Optimum(
        first,
        step,
        tokens[0],
        hidden[0],
        {taken[key].name: given[key].name for key in sorted(cross)},
        {taken[key].name: kept[key].name for key in sorted(own)},
        {taken[key].name: given[key].name for key in sorted(own)},
    )


def _caches(ports: tuple[Port, ...]) -> dict[tuple[int, str, str], Port]:
    """By layer, kind and part."""
    found = {}
    for port in ports:
        if (match := CACHE.search(port.name)) and port.dtype in (
            TensorProto.FLOAT,
            TensorProto.FLOAT16,
        ):
            found[int(match["layer"]), match["kind"], match["part"]] = port
    return found


def _objection(first: Graph, step: Graph) -> str:
    seen = f"{first.describe()}\n{step.describe()}"
    return (
        f"{first.path.name} and {step.path.name} are no decoder of Whisper as optimum exports it: "
        "input_ids, encoder_hidden_states -> logits, present.<layer>.decoder.key, ..., and a "
        "second one that takes these as past_key_values.<layer>.decoder.key, ...; export with "
        f"--task automatic-speech-recognition-with-past; seen:\n{seen}"
    )
