"""WeNet's streaming encoder as its offline one: the frames first, then all log-probabilities."""

import onnx
from onnx import helper

from auricle.build.export.graph import Graph, Port, port_of
from auricle.build.export.states import plain_outputs
from auricle.build.export.surgery import find_maker, producers_of
from auricle.errors import CheckpointError

LOG_PROBS = 1  # of the outputs here
PASSED_ON = ("Cast", "Identity")


def with_log_probs(graph: Graph) -> Graph:
    """The same graph giving chunk_out [B, chunk, D], log_probs [B, chunk, V] and the states.

    Exports with a beam choose the best tokens inside, and blank need not be among them: all the
    log-probabilities are read in front of that. What says how long the window was is left out.
    """
    plain = plain_outputs(graph)
    has_beam = plain[1].form[0] == "integer"
    frames = plain[2 if has_beam else 1]
    log_probs = _before_choice(graph, plain[0]) if has_beam else plain[0]
    names = {port.name for port in plain}
    states = [port for port in graph.outputs if port.name not in names]
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    by_name = {value.name: value for value in graph.model.graph.output}
    values = [by_name[frames.name], _value(log_probs), *(by_name[port.name] for port in states)]
    del model.graph.output[:]
    model.graph.output.extend(values)
    outputs = tuple(port_of(value) for value in values)
    return Graph(graph.path, model, graph.inputs, outputs, graph.metadata)


def _value(port: Port) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(port.name, port.dtype, port.shape)


def _before_choice(graph: Graph, best: Port) -> Port:
    """The tensor that TopK chooses from."""
    node = find_maker(producers_of(graph.model.graph), best.name, PASSED_ON)
    if node is None or node.op_type != "TopK":
        raise CheckpointError(
            f"{graph.path.name} does not choose its {best.name} by TopK, so blank's "
            "log-probability cannot be told; export it with WeNet's export_onnx_gpu.py"
        )
    return Port(str(node.input[0]), best.dtype, (*best.shape[:2], None))
