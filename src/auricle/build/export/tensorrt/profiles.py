"""Profiles: the least, usual and largest shape of each input whose shape is not fixed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auricle.build.export.graph import Port
from auricle.build.export.tensorrt.findings import Finding

Triple = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
SOURCE = "TensorRT, Working with Dynamic Shapes"
FORM = "write NAME:1x16000,NAME:1, as trtexec does"


@dataclass(frozen=True)
class Range:
    """Least, usual and largest, as a family states them for its encoder."""

    seconds: tuple[float, float, float]
    batch: tuple[int, int, int]
    sample_rate: int = 16000


def parse_shapes(text: str) -> dict[str, tuple[int, ...]]:
    """NAME:1x16000,NAME:1; ValueError if it is not that."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part in filter(None, text.split(",")):
        name, colon, dims = part.rpartition(":")
        if not (colon and name and all(dim.isdecimal() for dim in dims.split("x"))):
            raise ValueError(f"{part!r} is no shape; {FORM}")
        shapes[name] = tuple(int(dim) for dim in dims.split("x"))
    return shapes


def combine(least: str, usual: str, largest: str) -> dict[str, Triple]:
    """ValueError unless the three name the same inputs."""
    parsed = [parse_shapes(text) for text in (least, usual, largest)]
    names = set().union(*parsed)
    missing = sorted(name for name in names if not all(name in shapes for shapes in parsed))
    if missing:
        raise ValueError(f"{', '.join(missing)} has not all of its least, usual and largest shape")
    return {name: (parsed[0][name], parsed[1][name], parsed[2][name]) for name in parsed[0]}


def expand(inputs: Sequence[Port], given: Range) -> dict[str, Triple]:
    """What a family's profile says of a graph's inputs; left out are those it says nothing of.

    The first axis of the first input is the batch, and the second that of WAV are its samples.
    """
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else None
    known: dict[str, tuple[int, int, int]] = {batch: given.batch} if isinstance(batch, str) else {}
    samples = inputs[0].shape[1] if inputs and inputs[0].name == "WAV" else None
    if isinstance(samples, str):
        least, usual, largest = (round(each * given.sample_rate) for each in given.seconds)
        known[samples] = least, usual, largest
    profile: dict[str, Triple] = {}
    for port in inputs:
        axes = [known.get(dim) if isinstance(dim, str) else dim for dim in port.shape]
        if None not in axes:
            rows = [axis if isinstance(axis, tuple) else (axis or 0,) * 3 for axis in axes]
            profile[port.name] = (_at(rows, 0), _at(rows, 1), _at(rows, 2))
    return profile


def _at(axes: Sequence[tuple[int, ...]], index: int) -> tuple[int, ...]:
    return tuple(axis[index] for axis in axes)


def check_profile(inputs: Sequence[Port], profile: dict[str, Triple] | None) -> Iterator[Finding]:
    """Whether a profile covers what is dynamic, and fits; None: no profile was given."""
    for port in inputs:
        if all(isinstance(dim, int) for dim in port.shape):
            continue
        if profile is None:
            why = f"{port} is dynamic and wants a profile"
            advice = "--min-shapes, --opt-shapes and --max-shapes check one"
            yield Finding("warning", port.name, "input", why, SOURCE, advice)
        elif port.name not in profile:
            why = f"the profile does not say how long the axes of {port} are"
            yield Finding("warning", port.name, "input", why, SOURCE, "add it to --min-shapes, "
                          "--opt-shapes and --max-shapes")  # fmt: skip
        else:
            yield from _check_triple(port, profile[port.name])
    names = {port.name for port in inputs}
    for name in sorted(set(profile or ()) - names):
        known = ", ".join(sorted(names))
        yield Finding("ERROR", name, "input", "the profile names an input that the graph has not",
                      SOURCE, f"it has {known}")  # fmt: skip


def _check_triple(port: Port, shapes: Triple) -> Iterator[Finding]:
    least, usual, largest = shapes
    shown = " <= ".join("x".join(map(str, shape)) for shape in shapes)
    if any(len(shape) != len(port.shape) for shape in shapes):
        why = f"the profile's {shown} has not the rank of {port}"
        yield Finding("ERROR", port.name, "input", why, SOURCE, "give every axis a length")
    elif any(
        _misfit(dim, axis) for dim, axis in zip(port.shape, zip(*shapes, strict=True), strict=True)
    ):
        why = f"the profile's {shown} contradicts {port}"
        yield Finding("ERROR", port.name, "input", why, SOURCE, "keep the fixed axes")
    elif not all(0 < a <= b <= c for a, b, c in zip(least, usual, largest, strict=True)):
        why = f"the profile's {shown} is not in order"
        yield Finding(
            "ERROR", port.name, "input", why, SOURCE, "give 0 < least <= usual <= largest"
        )


def _misfit(dim: int | str | None, axis: tuple[int, ...]) -> bool:
    return isinstance(dim, int) and any(each != dim for each in axis)
