"""A published network of raw samples -> the encoder that is served, checked and measured."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from auricle.build.export.adapt import CORE, WAVEFORMS, assemble, cast_to
from auricle.build.export.built_encoder import Encoder
from auricle.build.export.graph import Graph
from auricle.build.export.heads import CtcHead, largest_difference, value_info
from auricle.build.export.measure import max_seconds, seconds_per_frame
from auricle.build.export.parity import Strays, batch_differences, say_difference, worst
from auricle.build.export.raw_masks import (
    BLOCK,
    First,
    add_frame_count,
    add_masks,
    check_groups,
    check_known,
    first_convolution,
    mask_frames,
    mask_norms,
    norms_over_time,
)
from auricle.build.export.raw_shape import Steps, measure_steps, raw_inputs
from auricle.build.export.reference import Waveform
from auricle.build.export.sanitize import at_known_opset
from auricle.build.export.served import ServedEncoder
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import prefix_names
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.raw import RawOptions, add_samples, add_valid

FEWEST_FRAMES = 8  # of a batch, for exports that mark the last frame of a row by its number
SHORT_FRAMES = range(1, 33)
EPSILON = 1e-7  # of Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm, which the parity is to


@dataclass(frozen=True)
class Published:
    """A graph of samples [N, L] and perhaps an attention_mask [N, L], and how it takes them."""

    graph: Graph
    options: RawOptions
    head: CtcHead
    steps: Steps
    first: First

    @property
    def hides_padding(self) -> bool:
        """Whether it takes a mask."""
        return len(self.graph.inputs) > 1


def read_published(graph: Graph, options: RawOptions, head: CtcHead) -> Published:
    """CheckpointError where it is of no form that is known."""
    check_known(graph)
    check_groups(graph)
    return Published(graph, options, head, measure_steps(graph), first_convolution(graph))


def build_raw_encoder(published: Published, waveforms: list[Waveform]) -> Encoder:
    """ParityError if the served graph does not reproduce the original on the waveforms."""
    model = adapt_raw(published)
    lines = check_raw(published, model, waveforms)
    served = ServedEncoder(model)
    sample_rate = published.options.sample_rate
    frame = seconds_per_frame(served, sample_rate)
    longest = max_seconds(served, sample_rate)
    limit = "takes a minute and more" if longest is None else f"takes at most {longest:.2f} s"
    steps = published.steps
    frames = (
        f"frames    {frame * 1000:g} ms each, the first of {steps.first} samples; the graph {limit}"
    )
    seen = published.graph.describe()
    return Encoder(
        model, sample_rate, frame, longest, seen, (_say_masks(published), *lines, frames)
    )


def adapt_raw(published: Published) -> onnx.ModelProto:
    """WAV float32 [N, L], WAV_LENS int32 [N] -> the head's outputs, and OUT_LENS int32 [N]."""
    graph, steps = published.graph, published.steps
    core = graph.model if published.hides_padding else mask_frames(graph.model)
    core = at_known_opset(graph, core)
    prefix_names(core.graph, CORE)
    front = Nodes("raw/")
    lens = front.add("Cast", "WAV_LENS", to=TensorProto.INT64)
    width = _add_width(front, published, lens)
    samples = add_samples(front, published.options, "WAV", lens, width)
    cast_to(front, samples, graph.inputs[0])
    frames = add_frame_count(front, lens, steps.first, steps.step)
    mask_norms(core.graph, lens)
    if published.hides_padding:
        cast_to(front, add_valid(front, lens, width), graph.inputs[1])
    else:
        widest = add_frame_count(front, width, steps.first, steps.step)
        for name, mask in add_masks(front, frames, widest).items():
            front.name(mask, CORE + name)
    back = Nodes("head/")
    outputs, _ = published.head.add(back, graph.outputs, CORE)
    back.name(back.add("Cast", frames, to=TensorProto.INT32), "OUT_LENS")
    return assemble(
        core,
        (front, back),
        list(WAVEFORMS),
        [*outputs, value_info("OUT_LENS", TensorProto.INT32, "N")],
    )


def _add_width(nodes: Nodes, published: Published, lens: str) -> str:
    """int64 [1]: samples of the batch, a number of whole blocks behind the first convolution."""
    steps, first = published.steps, published.first
    shortest = steps.first + FEWEST_FRAMES * steps.step
    longest = nodes.add("ReduceMax", lens, keepdims=1)
    longest = nodes.add("Max", longest, nodes.ints([shortest]))
    blocks = nodes.add("Div", longest, nodes.ints(first.stride * BLOCK))
    blocks = nodes.add("Add", blocks, nodes.ints(1))
    behind = nodes.add("Sub", nodes.add("Mul", blocks, nodes.ints(BLOCK)), nodes.ints(1))
    samples = nodes.add("Mul", behind, nodes.ints(first.stride))
    return nodes.add("Add", samples, nodes.ints(first.kernel))


def check_raw(
    published: Published, model: onnx.ModelProto, waveforms: list[Waveform]
) -> tuple[str, ...]:
    """ParityError if the adapted graph strays from the original beyond its precision."""
    original, adapted = Session(published.graph.model), ServedEncoder(model)
    speech = worst(_differences(published, original, adapted, waveforms))
    short = worst(_differences(published, original, adapted, _short(published, waveforms[0])))
    batch = worst(batch_differences(adapted, waveforms[0]))
    seconds = sum(map(len, waveforms)) / published.options.sample_rate
    lines = (
        f"parity    to the original on samples normalised by numpy, {seconds:.1f} s of audio, "
        f"unpadded: {say_difference(speech)}",
        f"short     the same of 1 to {SHORT_FRAMES[-1]} frames: {say_difference(short)}",
        f"batching  a batch of unequal lengths to its rows alone: {say_difference(batch)}",
    )
    strays = Strays([speech, short], batch)
    strays.judge("the adapted graph strays", published.graph.precision, lines)
    return lines


def normalised(waveform: Waveform, options: RawOptions) -> Array:
    """What the network takes of one utterance, float32 [1, L], by numpy in float64."""
    samples = waveform.astype(np.float64)
    if options.normalises:
        samples = (samples - samples.mean()) / np.sqrt(samples.var() + EPSILON)
    return samples[None].astype(np.float32)


def _short(published: Published, waveform: Waveform) -> list[Waveform]:
    """A number of samples that leaves some over, for every number of frames."""
    steps = published.steps
    lengths = (steps.first + (frames - 1) * steps.step + 7 * frames for frames in SHORT_FRAMES)
    return [waveform[len(waveform) // 3 :][:length] for length in lengths]


def _differences(
    published: Published, original: Session, adapted: ServedEncoder, waveforms: list[Waveform]
) -> Iterator[float]:
    """Where the original gives a number of frames, the served graph counts as many."""
    graph = published.graph
    for waveform in waveforms:
        inputs = raw_inputs(graph, normalised(waveform, published.options))
        expected, found = original.run(inputs), adapted.run([waveform])
        num_frames = expected[graph.outputs[0].name].shape[1]
        yield largest_difference(found["OUT_LENS"], np.array([num_frames], np.int32))
        yield from published.head.differences(graph.outputs, found, expected)


def _say_masks(published: Published) -> str:
    norms = len(norms_over_time(published.graph.model.graph))
    how = "by its own attention_mask" if published.hides_padding else "by masks put into the graph"
    over = " and in the norm of its first layer" if norms else ""
    return f"padding   is hidden {how}{over}"
