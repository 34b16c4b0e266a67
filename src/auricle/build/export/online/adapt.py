"""The served graph of an online Paraformer.

CHUNK float32 [N, samples], STATE float32 [N, S] -> of the ten frames that count: TOKEN_IDS int32,
TOKEN_LOG_PROBS float32 and TOKEN_FRAMES int32 [N, 11], NUM_TOKENS int32 [N]; behind these stands
the token that is still open, which a stream's end completes if HAS_TAIL int32 [N]; NEW_STATE.
"""

from dataclasses import replace

import onnx
from onnx import TensorProto

from auricle.build.export.adapt import CORE, assemble, cast_to
from auricle.build.export.graph import Graph
from auricle.build.export.heads import value_info
from auricle.build.export.online.cif import Integrated, add_cif
from auricle.build.export.online.features import add_positions, add_stacks
from auricle.build.export.online.published import AROUND, MAX_TOKENS, NEW, WINDOW, Published
from auricle.build.export.sanitize import at_known_opset
from auricle.build.export.streaming import Layout
from auricle.build.export.surgery import find_maker, prefix_names, producers_of
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError

PASSED_ON = ("Slice", "Identity", "Cast")

DECODER = "decoder/"  # behind CORE: both graphs have tensors of the same names


def adapt_online(published: Published, layout: Layout) -> onnx.ModelProto:
    encoder = _copy(published.encoder, CORE)
    decoder = _copy(published.decoder, CORE + DECODER)
    if encoder.opset_import != decoder.opset_import:
        raise CheckpointError(
            f"{published.encoder.path.name} and {published.decoder.path.name} have other opsets; "
            "export both at once"
        )
    front, middle, back = Nodes("front/"), Nodes("cif/"), Nodes("back/")
    state = _add_unpacking(front, published)
    count, weight, total, kept, *caches = state
    stacks = _add_front(front, published, count, kept)
    enc, _, alphas = (CORE + port.name for port in published.encoder.outputs)
    enc, alphas = (middle.add("Cast", each, to=TensorProto.FLOAT) for each in (enc, alphas))
    integrated = add_cif(middle, enc, alphas, weight, total)
    integrated = replace(integrated, fired=_add_dates(middle, integrated.fired, count))
    _add_decoder_inputs(middle, published, enc, integrated, caches)
    outputs = _add_tokens(back, published, integrated)
    going = _add_caches(back, published, decoder.graph, integrated)
    _add_packing(back, published, [_advance(back, published, count), integrated.weight,
                                   integrated.total, stacks, *going])  # fmt: skip
    core = _join(encoder, middle, decoder)
    inputs = [
        value_info("CHUNK", TensorProto.FLOAT, "N", layout.window),
        value_info("STATE", TensorProto.FLOAT, "N", layout.state_size),
    ]
    state_out = value_info("NEW_STATE", TensorProto.FLOAT, "N", layout.state_size)
    return assemble(core, (front, back), inputs, [*outputs, state_out])


def _copy(graph: Graph, prefix: str) -> onnx.ModelProto:
    model = at_known_opset(graph, graph.model)
    prefix_names(model.graph, prefix)
    return model


def _join(encoder: onnx.ModelProto, middle: Nodes, decoder: onnx.ModelProto) -> onnx.ModelProto:
    encoder.graph.node.extend([*middle.nodes, *decoder.graph.node])
    encoder.graph.initializer.extend([*middle.constants, *decoder.graph.initializer])
    return encoder


def _add_unpacking(nodes: Nodes, published: Published) -> list[str]:
    slots = published.slots
    sizes = nodes.ints([slot.size for slot in slots])
    flat = nodes.add_many("Split", ("STATE", sizes), len(slots), axis=1)
    return [
        value if len(slot.shape) == 1 else nodes.add("Reshape", value, nodes.ints([0, *slot.shape]))
        for slot, value in zip(slots, flat, strict=True)
    ]


def _add_front(nodes: Nodes, published: Published, count: str, kept: str) -> str:
    """Feed the encoder; returns the new stacked frames [N, 10, F], which have no positions yet."""
    speech, lens = published.encoder.inputs
    is_first = nodes.add("Equal", count, nodes.floats(0))
    stacks = add_stacks(nodes, published, "CHUNK", is_first)
    seen = nodes.add("Concat", kept, stacks, axis=1)  # [N, 20, F]
    cast_to(nodes, nodes.add("Add", seen, add_positions(nodes, count, speech.size)), speech)
    batch = nodes.count_rows("CHUNK")
    cast_to(nodes, nodes.add("Expand", nodes.ints([WINDOW]), batch), lens)
    nodes.name(nodes.add("Expand", nodes.ints([WINDOW]), batch), "front/lens")
    return stacks


def _add_dates(nodes: Nodes, fired: str, count: str) -> str:
    """None before the audio, where a stream's first window has five frames."""
    is_first = nodes.add("Equal", count, nodes.floats(0))
    return nodes.add("Where", is_first, nodes.add("Max", fired, nodes.floats(AROUND)), fired)


def _add_decoder_inputs(
    nodes: Nodes, published: Published, enc: str, integrated: Integrated, caches: list[str]
) -> None:
    """The open token stands behind the others: it sees them, and they do not see it."""
    one_more = nodes.add("Add", integrated.num_tokens, nodes.floats(1))
    lens = nodes.add("Squeeze", one_more, nodes.ints([1]))
    values = [enc, "front/lens", integrated.tokens, lens, *caches]
    for port, value in zip(published.decoder.inputs, values, strict=True):
        cast_to(nodes, value, replace(port, name=DECODER + port.name))


def _add_tokens(
    nodes: Nodes, published: Published, integrated: Integrated
) -> list[onnx.ValueInfoProto]:
    logits = nodes.add("Cast", CORE + DECODER + published.decoder.outputs[0].name,
                       to=TensorProto.FLOAT)  # fmt: skip
    log_probs = nodes.add("LogSoftmax", logits, axis=2)
    best, ids = nodes.add_many("TopK", (log_probs, nodes.ints([1])), 2, axis=2)
    is_token = nodes.add("LessOrEqual", nodes.add("Squeeze", integrated.slots, nodes.ints([2])),
                         integrated.num_tokens)  # fmt: skip
    best, ids = (nodes.add("Squeeze", each, nodes.ints([2])) for each in (best, ids))
    width = nodes.slice(nodes.add("Shape", ids), 1, 2, axis=0)
    missing = nodes.add("Sub", nodes.ints([MAX_TOKENS]), width)
    pads = nodes.add("Concat", nodes.ints([0, 0, 0]), missing, axis=0)
    named = (
        ("TOKEN_IDS", nodes.add("Cast", ids, to=TensorProto.FLOAT), TensorProto.INT32),
        ("TOKEN_LOG_PROBS", best, TensorProto.FLOAT),
        ("TOKEN_FRAMES", integrated.fired, TensorProto.INT32),
    )
    for name, value, dtype in named:
        kept = nodes.add("Where", is_token, value, nodes.floats(0))
        nodes.name(nodes.add("Cast", nodes.add("Pad", kept, pads), to=dtype), name)
    full = nodes.add("Add", integrated.weight, nodes.floats(published.tail_threshold))
    has_tail = nodes.add("GreaterOrEqual", full, nodes.floats(1))
    for name, value in (("NUM_TOKENS", integrated.num_tokens), ("HAS_TAIL", has_tail)):
        count = nodes.add("Cast", value, to=TensorProto.INT32)
        nodes.name(nodes.add("Squeeze", count, nodes.ints([1])), name)
    return [
        *(value_info(name, dtype, "N", MAX_TOKENS) for name, _, dtype in named),
        value_info("NUM_TOKENS", TensorProto.INT32, "N"),
        value_info("HAS_TAIL", TensorProto.INT32, "N"),
    ]


def _add_caches(
    nodes: Nodes, published: Published, decoder: onnx.GraphProto, integrated: Integrated
) -> list[str]:
    """Each cache behind a row's own last token, where the graph would take that of the longest."""
    producers = producers_of(decoder)
    num_tokens = nodes.add("Cast", integrated.num_tokens, to=TensorProto.INT64)
    start = nodes.add("Unsqueeze", num_tokens, nodes.ints([2]))  # [N, 1, 1]
    batch = nodes.count_rows("STATE")
    going = []
    for port, output in published.caches:
        joined = find_maker(producers, CORE + DECODER + output.name, PASSED_ON)
        if joined is None or joined.op_type != "Concat":
            raise CheckpointError(
                f"{output.name} of {published.decoder.path.name} is not the cache with the tokens "
                "behind it; export it with FunASR's own exporter"
            )
        size, length = (dim for dim in port.shape[1:] if isinstance(dim, int))
        columns = nodes.add("Add", start, nodes.ints([[list(range(length))]]))
        shape = nodes.add("Concat", batch, nodes.ints([size, length]), axis=0)
        index = nodes.add("Expand", columns, shape)
        going.append(nodes.add("GatherElements", joined.output[0], index, axis=2))
    return going


def _advance(nodes: Nodes, published: Published, count: str) -> str:
    """Where the positions end, the count begins anew; the next window's old frames are 1 to 10."""
    done = nodes.add("Add", count, nodes.floats(NEW))
    is_over = nodes.add("Greater", done, nodes.floats(published.positions - NEW))
    return nodes.add("Where", is_over, nodes.floats(NEW), done)


def _add_packing(nodes: Nodes, published: Published, values: list[str]) -> None:
    rows = []
    for slot, value in zip(published.slots, values, strict=True):
        plain = nodes.add("Cast", value, to=TensorProto.FLOAT)
        rows.append(nodes.add("Reshape", plain, nodes.ints([-1, slot.size])))
    nodes.name(nodes.add("Concat", *rows, axis=1), "NEW_STATE")
