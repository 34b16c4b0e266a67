"""A published streaming encoder -> the encoder that is served, checked and measured."""

import math

from auricle.build.export.adapt import Recipe
from auricle.build.export.built_encoder import Encoder
from auricle.build.export.graph import Graph
from auricle.build.export.reference import Waveform
from auricle.build.export.states import StreamPorts, read_ports
from auricle.build.export.streaming import Layout, adapt_streaming
from auricle.build.export.streaming_original import Original, count_frames
from auricle.build.export.streaming_parity import (
    NUM_CHUNKS,
    StreamingEncoders,
    check_streaming_parity,
)
from auricle.errors import CheckpointError

# Feature frames under one output frame less the hop's, by the frames of a hop: WeNet's conv2d2,
# conv2d, conv2d6 and conv2d8, whose exports do not state the hop.
OVERHANGS = {2: 3, 4: 3, 6: 5, 8: 7}
# That a state hears before it takes over from one whose positions end: docs/decisions/0011
WARM_UP_S = 10.0


def build_streaming_encoder(graph: Graph, recipe: Recipe, waveforms: list[Waveform]) -> Encoder:
    """ParityError if the packed graph does not reproduce the original on a stream of the audio."""
    ports = read_ports(graph)
    original = Original(graph, ports)
    layout = measure_layout(graph, ports, recipe, original)
    model = adapt_streaming(graph, ports, recipe, layout)
    sample_rate = recipe.frontend.sample_rate
    del original  # one session at a time: a large encoder's weights fill gigabytes
    encoders = StreamingEncoders(graph, ports, model, recipe, layout)
    parity = check_streaming_parity(encoders, waveforms)
    seconds_per_frame = round(layout.hop / sample_rate / layout.num_frames, 6)
    return Encoder(
        model,
        sample_rate,
        seconds_per_frame,
        None,
        ports.describe(graph),
        (
            layout.describe(sample_rate),
            *parity.report(),
            f"frames    {seconds_per_frame * 1000:g} ms each; the graph has "
            f"{layout.describe_end(sample_rate)}",
        ),
        layout,
    )


def measure_layout(graph: Graph, ports: StreamPorts, recipe: Recipe, original: Original) -> Layout:
    frontend = recipe.frontend
    num_frames = count_frames(ports, original.probe())
    hop = _hop_frames(graph, ports, num_frames) * frontend.frame_shift
    max_windows = _count_windows(graph, original)
    warm_up = math.ceil(WARM_UP_S * recipe.frontend.sample_rate / hop)
    return Layout(
        window=frontend.num_samples(ports.window),
        hop=hop,
        reflected=frontend.reflected,
        state_size=ports.size,
        num_frames=num_frames,
        max_windows=max_windows,
        warm_up=min(warm_up, max_windows // 2) if max_windows else 0,
        silence=frontend.silence,
    )


def _count_windows(graph: Graph, original: Original) -> int | None:
    """CheckpointError if the positions end before the parity's windows do."""
    count = original.count_windows()
    if count is None or count >= NUM_CHUNKS:
        return count
    raise CheckpointError(
        f"{graph.path.name} has positions for {count} windows of a stream, expected "
        f"{NUM_CHUNKS} or more; export it again with a longer table of positions"
    )


def _hop_frames(graph: Graph, ports: StreamPorts, num_frames: int) -> int:
    """Feature frames from one window to the next: icefall states them, WeNet's window tells."""
    stated = graph.metadata.get("decode_chunk_len")
    if stated is not None:
        if not stated.isdecimal() or not 0 < int(stated) <= ports.window:
            raise CheckpointError(
                f"{graph.path.name} has decode_chunk_len={stated!r}, expected 1 to "
                f"{ports.window}, the frames of its window"
            )
        return int(stated)
    for rate, overhang in OVERHANGS.items():
        if rate * num_frames + overhang == ports.window:
            return rate * num_frames
    raise CheckpointError(
        f"{graph.path.name} makes {num_frames} frames of {ports.window}, which tells no hop from "
        f"one window to the next, and has no decode_chunk_len; seen:\n{graph.describe()}"
    )
