"""A published encoder of whole utterances -> the encoder that is served, checked and measured."""

from auricle.build.export.adapt import Recipe, adapt_encoder
from auricle.build.export.built_encoder import Encoder
from auricle.build.export.folding import count
from auricle.build.export.graph import Graph
from auricle.build.export.measure import max_seconds, seconds_per_frame, table_seconds
from auricle.build.export.parity import Encoders, check_parity
from auricle.build.export.positions import table_lengths
from auricle.build.export.reference import Waveform
from auricle.build.export.served import ServedEncoder


def build_offline_encoder(graph: Graph, recipe: Recipe, waveforms: list[Waveform]) -> Encoder:
    """ParityError if the adapted graph does not reproduce the original on the waveforms."""
    model = adapt_encoder(graph, recipe)
    parity = check_parity(Encoders(graph, model, recipe), waveforms)
    served = ServedEncoder(model, recipe.side_inputs)
    sample_rate = recipe.frontend.sample_rate
    frame = seconds_per_frame(served, sample_rate)
    longest = max_seconds(served, sample_rate) or table_seconds(
        served, sample_rate, frame, table_lengths(graph)
    )
    limit = "takes a minute and more" if longest is None else f"takes at most {longest:.2f} s"
    frames = f"frames    {frame * 1000:g} ms each; the graph {limit}"
    nodes = f"nodes     {count(graph.model)} published; {count(model)} served, features and all"
    report = (*parity.report(), nodes, frames)
    return Encoder(model, sample_rate, frame, longest, graph.describe(), report)
