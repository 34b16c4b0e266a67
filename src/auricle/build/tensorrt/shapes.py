"""The shapes that a plan must take: an optimisation profile for each range of lengths."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from auricle.build.export.graph import Port
from auricle.errors import CheckpointError
from auricle.spec.plan import Shapes

Range = tuple[int, int, int]  # smallest, usual, largest
BATCH, SAMPLES = "N", "L"  # the symbols of the adapted graphs


def shapes_of(ports: Sequence[Port], sizes: Mapping[str, Range]) -> Shapes:
    """One profile.  sizes: by symbol of an axis; CheckpointError for a symbol that has none."""
    return {port.name: [_dims(port, sizes, place) for place in range(3)] for port in ports}


def profiles_of(
    ports: Sequence[Port],
    batch: Range,
    samples: Sequence[Range],
    others: Mapping[str, Range] | None = None,
) -> list[Shapes]:
    """A profile for each range of samples; the only one of a graph without such an axis."""
    fixed = {**(others or {}), BATCH: batch}
    for name, bounds in [*fixed.items(), *((SAMPLES, each) for each in samples)]:
        _check_range(name, bounds)
    for shorter, longer in pairwise(samples):
        if longer[0] > shorter[2]:
            raise CheckpointError(
                f"no profile takes {shorter[2] + 1} to {longer[0] - 1} samples; let each range of "
                "--seconds begin where the one before it ends"
            )
    has_samples = any(SAMPLES in port.shape for port in ports)
    lengths = [{SAMPLES: each} for each in samples] if has_samples else [{}]
    return [shapes_of(ports, fixed | each) for each in lengths]


def in_samples(seconds: tuple[float, float, float], sample_rate: int) -> Range:
    smallest, usual, largest = (round(each * sample_rate) for each in seconds)
    return smallest, usual, largest


def _dims(port: Port, sizes: Mapping[str, Range], place: int) -> list[int]:
    return [dim if isinstance(dim, int) else _size(port, dim, sizes)[place] for dim in port.shape]


def _size(port: Port, dim: str | None, sizes: Mapping[str, Range]) -> Range:
    if dim is None or dim not in sizes:
        raise CheckpointError(
            f"a plan needs bounds for every axis, but nothing is known of {dim or '?'} of the "
            f"input {port}; give them with --axis {dim or 'NAME'}=MIN,USUAL,MAX"
        )
    return sizes[dim]


def _check_range(name: str, bounds: Range) -> None:
    smallest, usual, largest = bounds
    if not 1 <= smallest <= usual <= largest:
        raise CheckpointError(
            f"axis {name} is {smallest}, {usual}, {largest}; a plan needs 1 <= smallest <= usual "
            "<= largest"
        )
