"""A published encoder -> the encoder that is served, of whole utterances or of streams."""

from auricle.build.export.adapt import Recipe
from auricle.build.export.built_encoder import Encoder
from auricle.build.export.graph import Graph
from auricle.build.export.offline_encoder import build_offline_encoder
from auricle.build.export.reference import Waveform
from auricle.build.export.roles import is_streaming
from auricle.build.export.streaming_encoder import build_streaming_encoder


def build_encoder(graph: Graph, recipe: Recipe, waveforms: list[Waveform]) -> Encoder:
    """ParityError if the served graph does not reproduce the original on the waveforms."""
    build = build_streaming_encoder if is_streaming(graph) else build_offline_encoder
    return build(graph, recipe, waveforms)
