"""How calibration reaches a published encoder of whole utterances: through its own features."""

from auricle.build.export.adapt import Recipe
from auricle.build.export.graph import Graph
from auricle.build.export.parity import published_inputs
from auricle.build.export.precision import Heard
from auricle.build.export.reference import Waveform
from auricle.build.export.roles import is_streaming
from auricle.build.export.session import Array


def heard_by(graph: Graph, recipe: Recipe, waveforms: list[Waveform]) -> Heard | None:
    """None of a stream, whose windows and states are not made of one utterance."""
    if is_streaming(graph):
        return None

    def hear(published: Graph, waveform: Waveform) -> dict[str, Array]:
        return published_inputs(published, recipe, waveform)

    return Heard(recipe.frontend.sample_rate, hear, waveforms[0])
