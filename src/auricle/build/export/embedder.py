"""The hotword embedder of a contextual Paraformer, one vector a hotword."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto

from auricle.build.export.adapt import CORE, assemble, cast_to
from auricle.build.export.graph import Graph
from auricle.build.export.heads import last_dim, value_info
from auricle.build.export.sanitize import at_known_opset
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import prefix_names
from auricle.build.frontend.nodes import Nodes


def adapt_embedder(graph: Graph) -> onnx.ModelProto:
    """Hotwords int32 [H, max_tokens], hotword_lens int32 [H] -> hw_embed float32 [H, D].

    The published graph gives a vector after each token, [max_tokens, H, D]; that after a hotword's
    last token stands for it.
    """
    core = at_known_opset(graph, graph.model)
    prefix_names(core.graph, CORE)
    front, back = Nodes("in/"), Nodes("out/")
    cast_to(front, "hotwords", graph.inputs[0])
    by_word = back.add("Transpose", CORE + graph.outputs[0].name, perm=[1, 0, 2])
    lens = back.add("Cast", "hotword_lens", to=TensorProto.INT64)
    last = back.add("Unsqueeze", back.add("Sub", lens, back.ints(1)), back.ints([1]))
    vectors = back.add("GatherND", by_word, last, batch_dims=1)
    back.name(back.add("Cast", vectors, to=TensorProto.FLOAT), "hw_embed")
    return assemble(
        core,
        (front, back),
        [
            value_info("hotwords", TensorProto.INT32, "H", graph.inputs[0].size),
            value_info("hotword_lens", TensorProto.INT32, "H"),
        ],
        [value_info("hw_embed", TensorProto.FLOAT, "H", last_dim(graph.outputs[0]))],
    )


def embed(embedder: onnx.ModelProto, hotwords: Sequence[Sequence[int]]) -> Array:
    """One list of hotwords as an encoder takes it, float32 [1, H, D]."""
    max_tokens = embedder.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    padded = np.zeros((len(hotwords), max_tokens), np.int32)
    for row, ids in zip(padded, hotwords, strict=True):
        row[: len(ids)] = ids
    lens = np.array([len(ids) for ids in hotwords], np.int32)
    vectors: Array = Session(embedder).run({"hotwords": padded, "hotword_lens": lens})["hw_embed"]
    return vectors[None]
