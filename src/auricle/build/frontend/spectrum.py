"""Mel energies of a signal's frames as ONNX nodes.

Frames times a matrix, not a strided Conv (docs/decisions/0001-*.md), behind the first two steps of
an FFT: samples half a transform apart are added for the even bins and subtracted for the odd ones,
and the same again for the even bins, which leaves 3/8 of a whole DFT's products.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.slaney import Matrix


@dataclass(frozen=True)
class Framing:
    """Frames of fft_size samples, one every `shift`, under a window of at most as many.

    Behind the window lie zeros; where in the transform it lies changes only the phase.
    """

    window: Matrix
    shift: int
    fft_size: int  # a multiple of 4

    @property
    def num_blocks(self) -> int:
        """Of `shift` samples, that a frame reaches into."""
        return -(-self.fft_size // self.shift)


def add_mel_energies(nodes: Nodes, framing: Framing, signal: str, banks: Matrix) -> str:
    """Mel energies [N, T, F] of a signal, finite, [N, (T + framing.num_blocks) * framing.shift].

    banks: weights of bins [fft_size / 2 + 1, F].
    """
    powers, bins = [], []
    for (first, step), folded in _add_folded(nodes, framing, signal).items():
        used = np.arange(first, len(banks), step)
        used = used[banks[used].any(axis=1)]  # bins that some filter looks at
        powers.append(_add_powers(nodes, framing, folded, used))
        bins.append(used)
    ordered = nodes.floats(banks[np.concatenate(bins)])
    return nodes.add("MatMul", nodes.add("Concat", *powers, axis=2), ordered)


def _add_folded(nodes: Nodes, framing: Framing, signal: str) -> dict[tuple[int, int], str]:
    """What bins see of a frame: the first of them and their step to samples [N, T, S].

    exp(-2 pi i k n / S) is the same at n and n + S/2 for even k, and opposite for odd ones; at n
    and n + S/4, for k that are multiples of 4, and two beyond them.
    """
    first, second, third, fourth = _add_quarters(nodes, framing, signal)
    sums = nodes.add("Add", first, third), nodes.add("Add", second, fourth)
    differences = nodes.add("Sub", first, third), nodes.add("Sub", second, fourth)
    return {
        (0, 4): nodes.add("Add", *sums),
        (2, 4): nodes.add("Sub", *sums),
        (1, 2): nodes.add("Concat", *differences, axis=2),
    }


def _add_quarters(nodes: Nodes, framing: Framing, signal: str) -> list[str]:
    """Frames under the window, cut in four: each [N, T, fft_size / 4]."""
    size, quarter = framing.fft_size, framing.fft_size // 4
    window = np.pad(framing.window, (0, size - len(framing.window)))
    blocks = nodes.add("Reshape", signal, nodes.ints([0, -1, framing.shift]))
    quarters = []
    for start in range(0, size, quarter):
        samples = _add_samples(nodes, framing, blocks, range(start, start + quarter))
        quarters.append(nodes.add("Mul", samples, nodes.floats(window[start : start + quarter])))
    return quarters


def _add_samples(nodes: Nodes, framing: Framing, blocks: str, samples: range) -> str:
    """Samples of every frame, [N, T, len(samples)] of blocks [N, T + num_blocks, shift]."""
    shift, pieces = framing.shift, []
    for block in range(samples.start // shift, (samples.stop - 1) // shift + 1):
        start = max(samples.start - block * shift, 0)
        end = min(samples.stop - block * shift, shift)
        bounds = ([block, start], [block - framing.num_blocks, end], [1, 2])
        pieces.append(nodes.add("Slice", blocks, *map(nodes.ints, bounds)))
    return pieces[0] if len(pieces) == 1 else nodes.add("Concat", *pieces, axis=2)


def _add_powers(nodes: Nodes, framing: Framing, folded: str, bins: npt.NDArray[np.int64]) -> str:
    """|DFT|^2 at some bins, [N, T, len(bins)], of what these see of a frame."""
    size = framing.fft_size // (2 if bins[0] % 2 else 4)
    angle = 2 * np.pi / framing.fft_size * np.outer(np.arange(size), bins)
    parts = [nodes.add("MatMul", folded, nodes.floats(wave(angle))) for wave in (np.cos, np.sin)]
    return nodes.add("Add", *(nodes.add("Mul", part, part) for part in parts))
