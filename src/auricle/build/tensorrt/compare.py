"""A plan against its graph on real audio: trtexec runs the one, ONNX Runtime the other.

Every image that builds plans has trtexec, and none need have Python's tensorrt or polygraphy; so
inputs go in as raw files (--loadInputs), outputs come back as JSON (--exportOutput), and what is
compared is compared here. Engines have been wrong in every precision on one kind of GPU and right
on another (NVIDIA/TensorRT issue 4822), which no look at the graph would tell.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from auricle.build.export.graph import Port
from auricle.build.export.reference import Waveform
from auricle.build.export.session import Array, Session, of_type
from auricle.build.tensorrt.builder import Tell
from auricle.build.tensorrt.flags import inference_flags
from auricle.build.tensorrt.plan import Draft, check
from auricle.errors import PlanError
from auricle.spec.plan import Shapes

Tensors = Mapping[str, Array]
# Of the whole output, ||plan - graph|| / ||graph||. Not yet measured on a GPU: TF32 and fp16 keep
# 10 bits of a mantissa, 5e-4 an operation, and a deep encoder adds some tens of them up. A wrong
# engine is at 0.5 and more.
TOLERANCES = {"fp32": 1e-3, "tf32": 1e-2, "fp16": 3e-2, "bf16": 1e-1, "int8": 1e-1}
LENGTHS = ("OUT_LENS", "NUM_TOKENS", "HAS_TAIL")  # equal, or all else is compared in vain
IDS = ("TOPK_IDS", "TOKEN_IDS")  # they follow from values, and flip where two are as good
MARGIN = 8000  # samples of silence behind the longest row, as a bucket would have
NOT_JSON = re.compile(r"(?<=[\s\[,])(-?)(nan|inf)(?:inity)?(?=[\s\],])", re.IGNORECASE)


@dataclass(frozen=True)
class Comparison:
    """errors: of each output, the largest of all batches; inf where shapes or lengths differ."""

    errors: dict[str, float]
    tolerance: float
    num_batches: int

    @property
    def is_ok(self) -> bool:
        return all(error <= self.tolerance for error in self.errors.values())

    def report(self) -> str:
        said = ", ".join(f"{name} {error:.2g}" for name, error in sorted(self.errors.items()))
        verdict = "within" if self.is_ok else "NOT within"
        return (
            f"plan      to the graph in {self.num_batches} batches: {said}; {verdict} "
            f"{self.tolerance:g}"
        )


@dataclass(frozen=True)
class Sample:
    """Inputs of one run.  profile: the index of the optimisation profile that takes them."""

    inputs: Tensors
    profile: int = field(default=0)


def compare(
    draft: Draft, model: onnx.ModelProto, samples: Sequence[Sample], tolerance: float, tell: Tell
) -> Comparison:
    """PlanError only if the plan cannot be run; what it gives may be as wrong as it likes.

    model: the adapted graph as it is served elsewhere, not the one that TensorRT was given.
    """
    session = Session(model)
    dtypes = {value.name: value.type.tensor_type.elem_type for value in model.graph.output}
    errors: dict[str, float] = {}
    for sample in samples:
        found = run_plan(draft, sample, dtypes, tell)
        for name, error in differences(found, session.run(sample.inputs)).items():
            errors[name] = max(error, errors.get(name, 0.0))
    return Comparison(errors, tolerance, len(samples))


def run_plan(
    draft: Draft, sample: Sample, dtypes: Mapping[str, int], tell: Tell
) -> dict[str, Array]:
    folder, builder = draft.plan.parent, draft.builder
    inputs = []
    for name, array in sample.inputs.items():
        path = folder / f"{name}.raw"
        array.tofile(path)
        inputs.append((name, builder.path(path), array.shape))
    output = folder / "output.json"
    output.unlink(missing_ok=True)
    profile = sample.profile if len(draft.record.profiles) > 1 else None
    flags = inference_flags(builder.path(draft.plan), inputs, builder.path(output), profile)
    outcome = builder.run([builder.trtexec, *flags], tell)
    check(outcome, "the plan was built, but does not run")
    if not output.is_file():
        raise PlanError(f"trtexec wrote no outputs to {output.name}")
    return parse_outputs(output.read_text(encoding="utf-8"), dtypes)


def parse_outputs(text: str, dtypes: Mapping[str, int]) -> dict[str, Array]:
    """Of --exportOutput: a list of name, dimensions "2x50x16", and values.

    dtypes: ONNX's numbers.  PlanError if it is something else.
    """
    try:
        entries = json.loads(NOT_JSON.sub(_as_json, text))
        return {entry["name"]: _array(entry, dtypes[entry["name"]]) for entry in entries}
    except (KeyError, TypeError, ValueError) as error:
        raise PlanError(f"trtexec's outputs cannot be read: {error!r}") from error


def differences(found: Tensors, expected: Tensors) -> dict[str, float]:
    """Of each output but ids: relative to the graph's, over what counts of each row."""
    lengths = [name for name in LENGTHS if name in expected]
    errors = {name: _equal(found.get(name), expected[name]) for name in lengths}
    for name in sorted(expected.keys() - {*LENGTHS, *IDS}):
        errors[name] = _relative(found.get(name), expected[name], _lens_of(name, expected))
    return errors


def samples_of(
    ports: Sequence[Port],
    profiles: Sequence[Shapes],
    waveforms: Sequence[Waveform],
    numbers: Mapping[str, int],
) -> list[Sample]:
    """For each profile, an utterance alone and a batch of several lengths.

    waveforms: float32 [num_samples], real speech.  numbers: of integer inputs beside the lengths.
    """
    samples = []
    for index, shapes in enumerate(profiles):
        bounds = next((shapes[name] for name in ("WAV", "CHUNK") if name in shapes), None)
        if bounds is None:
            raise PlanError(f"no audio among the inputs {', '.join(shapes)}; nothing to compare on")
        (smallest, *_), (largest_batch, longest) = bounds[0][1:], bounds[2][:2]
        rows = [_cut(waveform, smallest, longest) for waveform in waveforms]
        several = [_cut(rows[0][: len(rows[0]) * part // 4], smallest, longest) for part in (2, 3)]
        batches = [[row] for row in rows] + [[*rows, *several][:largest_batch]]
        samples += [Sample(_inputs(ports, each, numbers, longest), index) for each in batches]
    return samples


def tolerance_of(precision: str, *, tf32: bool) -> float:
    return TOLERANCES["tf32" if precision == "fp32" and tf32 else precision]


def _cut(waveform: Waveform, smallest: int, longest: int) -> Waveform:
    """Said again if it is too short."""
    times = -(-smallest // max(1, len(waveform)))
    cut: Waveform = np.tile(waveform, max(1, times))[: max(smallest, min(longest, len(waveform)))]
    return cut


def _inputs(
    ports: Sequence[Port], rows: Sequence[Waveform], numbers: Mapping[str, int], longest: int
) -> Tensors:
    """As wide as buckets make them, within the profile."""
    width = min(longest, max(map(len, rows)) + MARGIN)
    inputs: dict[str, Array] = {}
    for port in ports:
        if port.name in ("WAV", "CHUNK"):
            wav = np.zeros((len(rows), width), np.float32)
            for padded, row in zip(wav, rows, strict=True):
                padded[: len(row)] = row
            inputs[port.name] = wav
        elif port.name == "WAV_LENS":
            inputs[port.name] = np.array([len(row) for row in rows], np.int32)
        else:
            shape = [len(rows), *(dim if isinstance(dim, int) else 1 for dim in port.shape[1:])]
            inputs[port.name] = of_type(port, np.full(shape, numbers.get(port.name, 0)))
    return inputs


def _array(entry: Mapping[str, str | list[float]], dtype: int) -> Array:
    dims = [int(dim) for dim in str(entry["dimensions"]).split("x")]
    values = np.array(entry["values"], onnx.helper.tensor_dtype_to_np_dtype(dtype))
    array: Array = values.reshape(dims)
    return array


def _as_json(match: re.Match[str]) -> str:
    return match[1] + {"nan": "NaN", "inf": "Infinity"}[match[2].lower()]


def _equal(found: Array | None, expected: Array) -> float:
    return 0.0 if found is not None and np.array_equal(found, expected) else np.inf


def _lens_of(name: str, outputs: Tensors) -> list[int] | None:
    """How much of each row's time axis counts; None: all of it."""
    if name == "CIF_PEAKS":
        return None
    of_tokens = name.startswith("TOKEN_") and "NUM_TOKENS" in outputs
    lens = outputs.get("NUM_TOKENS" if of_tokens else "OUT_LENS")
    return None if lens is None else [int(length) for length in lens]


def _relative(found: Array | None, expected: Array, lens: Sequence[int] | None) -> float:
    """Of rows with lengths, what is behind them may also differ in how much it is."""
    pairs = [] if found is None else _pairs(found, expected, lens)
    if not pairs:
        return np.inf
    squared = sum(float(np.square(f.astype(np.float64) - e).sum()) for f, e in pairs)
    size = sum(float(np.square(e.astype(np.float64)).sum()) for _, e in pairs)
    error = np.sqrt(squared / size) if size else np.sqrt(squared)
    return float(error) if np.isfinite(error) else np.inf


def _pairs(found: Array, expected: Array, lens: Sequence[int] | None) -> list[tuple[Array, Array]]:
    """What is compared with what; empty if the shapes do not allow it."""
    if lens is None or expected.ndim < 2:
        return [(found, expected)] if found.shape == expected.shape else []
    if found.ndim != expected.ndim or len(found) != len(expected):
        return []
    if found.shape[2:] != expected.shape[2:] or found.shape[1] < max(lens):
        return []
    rows = zip(found, expected, lens, strict=True)
    return [(one[:length], other[:length]) for one, other, length in rows]
