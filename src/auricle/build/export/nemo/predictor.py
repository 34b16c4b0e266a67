"""NeMo's decoder and joint network as the one graph that a search calls.

encoder_out float32 [R, W, D], y int64 [R], state float32 [R, S] -> log_probs float32 [R, W, V], of
TDT also jumps int64 [R, W] and jump_log_probs float32 [R, W], the likeliest duration, and new_state
float32 [R, S]: an LSTM's h and c, layer after layer.
NeMo publishes the two in one file, sherpa-onnx each in its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from auricle.build.export.adapt import CORE, assemble, cast_to
from auricle.build.export.graph import Graph, Port
from auricle.build.export.heads import largest_difference, value_info
from auricle.build.export.parity import Strays, say_difference, worst
from auricle.build.export.sanitize import at_known_opset
from auricle.build.export.session import Array, Session, of_type
from auricle.build.export.surgery import prefix_names
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError

Rows = tuple[Array, Array, Array]  # encoder_out, y, state
JOINER = "joiner/"  # prefix of what came from a second file
WINDOW, NUM_ROWS = 5, 3  # of the parity check


@dataclass(frozen=True)
class Published:
    """decoder: with the joint network in it, unless joiner has that.

    vocab_size: with blank, which is its last.
    """

    decoder: Graph
    joiner: Graph | None
    vocab_size: int

    @property
    def prefix(self) -> str:
        """Of the two ports that follow."""
        return JOINER if self.joiner else CORE

    @property
    def encoder_out(self) -> Port:
        return (self.joiner or self.decoder).inputs[0]

    @property
    def scores(self) -> Port:
        return (self.joiner or self.decoder).outputs[0]

    @property
    def decoder_inputs(self) -> tuple[Port, ...]:
        """targets, target_length, and the two states."""
        return self.decoder.inputs[-4:]

    @property
    def state_shape(self) -> tuple[int, int]:
        """Layers and values of each; CheckpointError where the graph is silent."""
        port = self.decoder_inputs[2]
        layers, _, size = port.shape
        if isinstance(layers, int) and isinstance(size, int):
            return layers, size
        raise CheckpointError(
            f"{self.decoder.path.name} does not say how large its state {port} is; seen:\n"
            f"{self.decoder.describe()}"
        )

    @property
    def state_size(self) -> int:
        layers, size = self.state_shape
        return 2 * layers * size

    def describe(self) -> str:
        graphs = [self.decoder, *([self.joiner] if self.joiner else [])]
        return "\n".join(graph.describe() for graph in graphs)


def adapt_predictor(published: Published, num_scores: int) -> onnx.ModelProto:
    """num_scores: what the joint network gives a frame: tokens, then durations."""
    front, back = Nodes("in/"), Nodes("out/")
    core = _join(published)
    frames = front.add("Transpose", "encoder_out", perm=[0, 2, 1])  # [R, W, D] -> [R, D, W]
    frames = front.add("Cast", frames, to=published.encoder_out.dtype)
    front.name(frames, published.prefix + published.encoder_out.name)
    targets, lengths, *states = published.decoder_inputs
    cast_to(front, front.add("Unsqueeze", "y", front.ints([1])), targets)
    ones = front.add("Expand", front.ints([1]), front.add("Shape", "y"))
    cast_to(front, ones, lengths)
    _unpack(front, published, states)
    _split(back, published, num_scores)
    layers, size = published.state_shape
    new = [_pack(back, port, layers * size) for port in published.decoder.outputs[-2:]]
    back.name(back.add("Concat", *new, axis=1), "new_state")
    return assemble(core, (front, back), _inputs(published), _outputs(published, num_scores))


def _inputs(published: Published) -> list[onnx.ValueInfoProto]:
    dim = published.encoder_out.shape[1]
    return [
        value_info("encoder_out", TensorProto.FLOAT, "R", "W", dim or "D"),
        value_info("y", TensorProto.INT64, "R"),
        value_info("state", TensorProto.FLOAT, "R", published.state_size),
    ]


def _outputs(published: Published, num_scores: int) -> list[onnx.ValueInfoProto]:
    values = [value_info("log_probs", TensorProto.FLOAT, "R", "W", published.vocab_size)]
    if num_scores > published.vocab_size:
        values.append(value_info("jumps", TensorProto.INT64, "R", "W"))
        values.append(value_info("jump_log_probs", TensorProto.FLOAT, "R", "W"))
    return [*values, value_info("new_state", TensorProto.FLOAT, "R", published.state_size)]


def _join(published: Published) -> onnx.ModelProto:
    """One graph; of two files, the joiner's nodes stand behind the decoder's, by other names."""
    decoder = at_known_opset(published.decoder, published.decoder.model)
    prefix_names(decoder.graph, CORE)
    if published.joiner is None:
        return decoder
    joiner = at_known_opset(published.joiner, published.joiner.model)
    opsets = [{each.domain: each.version for each in model.opset_import}
              for model in (decoder, joiner)]  # fmt: skip
    if opsets[0] != opsets[1]:
        raise CheckpointError(
            f"{published.decoder.path.name} has the opsets {opsets[0]}, but "
            f"{published.joiner.path.name} {opsets[1]}; export both with one version of torch"
        )
    prefix_names(joiner.graph, JOINER)
    link = Nodes("link/")
    decoder_out = CORE + published.decoder.outputs[0].name
    link.name(decoder_out, JOINER + published.joiner.inputs[1].name)
    decoder.graph.node.extend([*link.nodes, *joiner.graph.node])
    decoder.graph.initializer.extend(joiner.graph.initializer)
    return decoder


def _unpack(nodes: Nodes, published: Published, states: list[Port]) -> None:
    layers, size = published.state_shape
    parts = nodes.add_many("Split", ("state", nodes.ints([layers * size] * 2)), 2, axis=1)
    for port, part in zip(states, parts, strict=True):
        rows = nodes.add("Reshape", part, nodes.ints([-1, layers, size]))
        cast_to(nodes, nodes.add("Transpose", rows, perm=[1, 0, 2]), port)


def _pack(nodes: Nodes, port: Port, size: int) -> str:
    """From [L, R, H] to [R, L * H]."""
    rows = nodes.add("Transpose", CORE + port.name, perm=[1, 0, 2])
    rows = nodes.add("Cast", rows, to=TensorProto.FLOAT)
    return nodes.add("Reshape", rows, nodes.ints([-1, size]))


def _split(nodes: Nodes, published: Published, num_scores: int) -> None:
    """Tokens and durations, each normalised by itself, whether or not the graph did."""
    scores = nodes.add("Cast", published.prefix + published.scores.name, to=TensorProto.FLOAT)
    scores = nodes.add("Squeeze", scores, nodes.ints([2]))  # [R, W, 1, K] -> [R, W, K]
    tokens = nodes.slice(scores, 0, published.vocab_size, axis=2)
    nodes.name(nodes.add("LogSoftmax", tokens, axis=2), "log_probs")
    if num_scores > published.vocab_size:
        durations = nodes.slice(scores, published.vocab_size, num_scores, axis=2)
        nodes.name(nodes.add("ArgMax", durations, axis=2, keepdims=0), "jumps")
        durations = nodes.add("LogSoftmax", durations, axis=2)
        best, _ = nodes.add_many("TopK", (durations, nodes.ints([1])), 2, axis=2)
        nodes.name(nodes.add("Squeeze", best, nodes.ints([2])), "jump_log_probs")


def count_scores(published: Published) -> int:
    """What the joint network gives a frame, seen in a run; CheckpointError if below the tokens."""
    frames, ids, state = _noise(published, 1)
    outputs = next(_run_originals(published, [(frames[:, :1], ids, state)]))
    num_scores = int(outputs[0].shape[-1])
    if num_scores < published.vocab_size:
        raise CheckpointError(
            f"the joint network scores {num_scores} tokens, but {published.vocab_size} are named; "
            "are they of one checkpoint?"
        )
    return num_scores


def check_predictor(published: Published, adapted: onnx.ModelProto) -> str:
    """One line of the report; ParityError where windows of many rows differ from frames of one."""
    inputs = _noise(published, NUM_ROWS)
    session = Session(adapted)
    found = session.run(dict(zip(("encoder_out", "y", "state"), inputs, strict=True)))
    difference = worst(_differences(published, found, inputs))
    line = f"predictor to the original, a frame of one row at a time: {say_difference(difference)}"
    strays = Strays([difference])
    strays.judge("the adapted decoder and joint network stray", published.decoder.precision, [line])
    return line


def _differences(published: Published, found: dict[str, Array], inputs: Rows) -> Iterator[float]:
    frames, ids, states = inputs
    singles: list[Rows] = [
        (frames[row : row + 1, step : step + 1], ids[row : row + 1], states[row : row + 1])
        for row in range(NUM_ROWS)
        for step in range(WINDOW)
    ]
    for number, outputs in enumerate(_run_originals(published, singles)):
        row, step = divmod(number, WINDOW)
        scores, *new = outputs
        tokens = scores.reshape(-1)[: published.vocab_size].astype(np.float32)
        log_probs: Array = tokens - np.logaddexp.reduce(tokens)
        served: Array = found["log_probs"][row, step]
        yield largest_difference(served, log_probs)
        state: Array = np.concatenate([part.reshape(-1) for part in new]).astype(np.float32)
        packed: Array = found["new_state"][row]
        yield largest_difference(packed, state)
        if "jumps" in found:
            durations = scores.reshape(-1)[published.vocab_size :].astype(np.float32)
            yield float(durations.max() - durations[found["jumps"][row, step]])
            log_prob = durations.max() - np.logaddexp.reduce(durations)
            yield float(abs(found["jump_log_probs"][row, step] - log_prob))


def _noise(published: Published, num_rows: int) -> Rows:
    generator = np.random.default_rng(0)
    dim = published.encoder_out.shape[1]
    if not isinstance(dim, int):
        raise CheckpointError(f"the graph does not state the size of {published.encoder_out}")
    frames = generator.normal(size=(num_rows, WINDOW, dim)).astype(np.float32)
    ids = generator.integers(0, published.vocab_size, num_rows)
    states = generator.normal(0, 0.3, size=(num_rows, published.state_size)).astype(np.float32)
    return frames, ids, states


def _run_originals(published: Published, rows: list[Rows]) -> Iterator[list[Array]]:
    """Scores and the two states, of one frame of one utterance each, by the published graphs."""
    decoder = Session(published.decoder.model)
    joiner = Session(published.joiner.model) if published.joiner else None
    layers, size = published.state_shape
    targets, lengths, *states = published.decoder_inputs
    for frames, ids, state in rows:
        both = state.reshape(2, layers, 1, size)
        inputs = {
            targets.name: of_type(targets, ids[:, None]),
            lengths.name: of_type(lengths, np.ones(1, np.int32)),
            states[0].name: of_type(states[0], both[0]),
            states[1].name: of_type(states[1], both[1]),
        }
        encoder_out = of_type(published.encoder_out, frames.transpose(0, 2, 1))
        if joiner is None:
            inputs[published.encoder_out.name] = encoder_out
        outputs = decoder.run(inputs)
        new = [outputs[port.name] for port in published.decoder.outputs[-2:]]
        scores = outputs[published.decoder.outputs[0].name]
        if joiner and published.joiner:
            taken = (encoder_out, of_type(published.joiner.inputs[1], scores))
            names = (port.name for port in published.joiner.inputs)
            outputs = joiner.run(dict(zip(names, taken, strict=True)))
            scores = outputs[published.scores.name]
        yield [scores, *new]
