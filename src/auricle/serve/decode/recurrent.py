"""Greedy search of transducers that remember all tokens: RNN-T and TDT, a whole batch at once.

As NeMo's label looping, https://arxiv.org/abs/2406.06220: the loop runs over tokens, not frames.
One call of the network scores a window of frames of every utterance, whose walk over blanks ends at
its first token; a token may stay in its frame, or jump some frames as TDT's durations say.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.emissions import Emissions, collect
from auricle.serve.decode.hypothesis import Hypothesis

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
MAX_SYMBOLS = 10  # of one frame: NeMo's greedy.max_symbols, and onnx-asr's max_tokens_per_step


@dataclass(frozen=True)
class Scores:
    """log_probs: float32 [R, W, V], natural.  jumps: int64 [R, W], frames, or None for RNN-T.

    states: float32 [R, S], behind the token that was put in.  jump_log_probs: float32 [R, W], of
    the jumps; None where they are not known, or certain.
    """

    log_probs: Floats
    jumps: Ints | None
    states: Floats
    jump_log_probs: Floats | None = None


# encoder_out [R, W, D], y int64 [R], states [R, S]
Network = Callable[[Floats, Ints, Floats], Scores]


@dataclass(frozen=True)
class Options:
    """lookahead: frames of each utterance that one call scores.  max_symbols: of one frame."""

    blank_id: int
    state_size: int
    lookahead: int = 4
    max_symbols: int = MAX_SYMBOLS


@dataclass(frozen=True, eq=False)
class Position:
    """Where N searches stand: the last token of each, the state before it, the frame to score next.

    y: int64 [N], blank before the first.  states: float32 [N, S].  frames: int64 [N].
    num_symbols: int64 [N], tokens of that frame so far.
    """

    y: Ints
    states: Floats
    frames: Ints
    num_symbols: Ints

    def take(self, rows: Ints) -> "Position":
        return Position(self.y[rows], self.states[rows], self.frames[rows], self.num_symbols[rows])

    def put(self, rows: Ints, new: "Position") -> None:
        self.y[rows], self.states[rows] = new.y, new.states
        self.frames[rows], self.num_symbols[rows] = new.frames, new.num_symbols


def start(num_rows: int, options: Options) -> Position:
    """Before the first frame."""
    zeros = np.zeros(num_rows, np.int64)
    states = np.zeros((num_rows, options.state_size), np.float32)
    return Position(np.full(num_rows, options.blank_id, np.int64), states, zeros, zeros.copy())


def greedy_search(
    encoder_out: Floats, lens: NDArray[np.int32], network: Network, options: Options
) -> list[Hypothesis]:
    """The best label of each frame until it is blank, or jumps.

    encoder_out: float32 [N, T, D].  lens: int32 [N], valid frames.
    """
    return _search(encoder_out, lens, network, options, start(len(lens), options))


def continue_search(
    encoder_out: Floats, position: Position, network: Network, options: Options
) -> tuple[list[Hypothesis], Position]:
    """The same over the next frames of streams, all of them valid.

    encoder_out: float32 [N, T, D].  Returns what these frames add, dated from their first, and
    where the searches stand then, frames counted from the next.
    """
    moved = position.take(np.arange(len(position.y)))
    num_frames = encoder_out.shape[1]
    lens = np.full(len(moved.y), num_frames, np.int32)
    found = _search(encoder_out, lens, network, options, moved)
    return found, replace(moved, frames=moved.frames - num_frames)


def _search(
    encoder_out: Floats,
    lens: NDArray[np.int32],
    network: Network,
    options: Options,
    position: Position,
) -> list[Hypothesis]:
    """Leaves in position what stands behind the last frame."""
    emissions: list[Emissions] = []
    while (active := np.flatnonzero(position.frames < lens)).size:
        here = position.take(active)
        windows = here.frames[:, None] + np.arange(options.lookahead)  # [A, W]
        inside = np.minimum(windows, encoder_out.shape[1] - 1)
        scores = network(encoder_out[active[:, None], inside], here.y, here.states)
        best: Ints = scores.log_probs.argmax(axis=2)
        steps, emits = _walk(best, scores.jumps, lens[active] - here.frames, options.blank_id)
        rows = np.flatnonzero(emits)
        at = steps[rows]
        tokens = best[rows, at]
        emissions.append(
            Emissions(
                active[rows], here.frames[rows] + at, tokens, scores.log_probs[rows, at, tokens]
            )
        )
        position.put(active, _move(here, scores, steps, (rows, tokens), options.max_symbols))
    return collect(emissions, len(lens))


def _walk(
    best: Ints, jumps: Ints | None, remaining: Ints, blank_id: int
) -> tuple[Ints, NDArray[np.bool_]]:
    """How far each row gets over blanks, in frames, and whether a token is what ends its walk.

    best, jumps: [A, W].  remaining: [A], frames of each row from the window's first on.
    """
    is_blank = best == blank_id
    widths = np.maximum(jumps, 1) if jumps is not None else np.ones_like(best)
    rows, width = np.arange(len(best)), best.shape[1]
    ends = np.minimum(remaining, width)
    steps = np.zeros(len(best), np.int64)
    for _ in range(width):
        at = np.minimum(steps, width - 1)
        goes_on = (steps < ends) & is_blank[rows, at]
        if not goes_on.any():
            break
        steps = np.where(goes_on, steps + widths[rows, at], steps)
    return steps, steps < ends


def _move(
    here: Position, scores: Scores, steps: Ints, emitted: tuple[Ints, Ints], max_symbols: int
) -> Position:
    """Behind a window: emitted are the rows that end at a token, and the tokens."""
    rows, tokens = emitted
    moved = Position(
        here.y.copy(),
        here.states.copy(),
        here.frames + steps,
        np.where(steps == 0, here.num_symbols, 0),
    )
    moved.y[rows], moved.states[rows] = tokens, scores.states[rows]
    jumped = 0 if scores.jumps is None else scores.jumps[rows, steps[rows]]
    num_symbols = moved.num_symbols[rows] + 1
    jumped = np.where((jumped == 0) & (num_symbols >= max_symbols), 1, jumped)
    moved.frames[rows] += jumped
    moved.num_symbols[rows] = np.where(jumped > 0, 0, num_symbols)
    return moved
