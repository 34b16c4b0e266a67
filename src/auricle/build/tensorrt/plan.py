"""A plan from a graph: probe the place, run trtexec, put plan and record where they belong."""

import hashlib
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from auricle.access import cache_folder
from auricle.build.tensorrt import log
from auricle.build.tensorrt.builder import Builder, Outcome, Tell, Workspace
from auricle.build.tensorrt.flags import Files, PlanOptions, Version, build_flags, said
from auricle.errors import PlanError
from auricle.spec.plan import RECORD_FILE, PlanRecord, Shapes

QUERY = ("nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader")
KILLED = {137: "it was killed, perhaps for want of memory", 143: "it was told to stop"}
OpenBuilder = Callable[[Workspace], Builder]


@dataclass(frozen=True)
class PlanRequest:
    """triton_tag: of the image, None if it is in none."""

    graph: Path
    output: Path
    profiles: Sequence[Shapes]
    precision: str
    options: PlanOptions = field(default_factory=PlanOptions)
    triton_tag: str | None = None


@dataclass(frozen=True)
class Place:
    """What a plan is built by and for."""

    tensorrt: Version
    gpu: str
    compute_capability: str


@dataclass(frozen=True)
class Draft:
    """A plan that trtexec has written, not yet where it belongs."""

    plan: Path
    record: PlanRecord
    builder: Builder


def build_plan(request: PlanRequest, open_builder: OpenBuilder, tell: Tell) -> PlanRecord:
    """The plan at request.output, plan.json beside it; both whole or not at all."""
    with draft_plan(request, open_builder, tell) as draft:
        return keep(draft, request.output)


@contextmanager
def draft_plan(request: PlanRequest, open_builder: OpenBuilder, tell: Tell) -> Iterator[Draft]:
    """A plan to be looked at before it is kept; what is not is gone with the block."""
    folder = request.output.parent.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not request.graph.is_file():
        raise PlanError(f"no graph {request.graph}")
    draft = Path(tempfile.mkdtemp(prefix=f".{request.output.name}.", dir=folder))
    try:
        graph = request.graph.resolve()
        builder = open_builder(Workspace(graph.parent, draft))
        place = probe(builder)
        tell(
            f"TensorRT {said(place.tensorrt)} in {builder.place}, {place.gpu}, compute capability "
            f"{place.compute_capability}"
        )
        record = _run(request, builder, place, draft, tell)
        yield Draft(draft / request.output.name, record, builder)
    finally:
        shutil.rmtree(draft)


def keep(draft: Draft, output: Path) -> PlanRecord:
    """The record first: a plan without its record is never seen."""
    output.parent.joinpath(RECORD_FILE).unlink(missing_ok=True)
    draft.plan.replace(output)
    text = draft.plan.with_name(RECORD_FILE)
    text.write_text(draft.record.to_json(), encoding="utf-8")
    text.replace(output.parent / RECORD_FILE)
    return draft.record


def probe(builder: Builder) -> Place:
    """PlanError if the place has no TensorRT or no GPU."""
    gpu = builder.run(QUERY, _silent)
    found = log.parse_gpu(gpu.lines) if gpu.is_ok else None
    if found is None:
        raise PlanError(
            f"no GPU in {builder.place}, and a plan is built on the GPU that will run it; "
            f"nvidia-smi ended with {gpu.exit_code}:\n{log.explain(gpu.lines)}"
        )
    answer = builder.run((builder.trtexec, "--help"), _silent)
    version = log.parse_version(answer.lines)
    if version is None:
        raise PlanError(
            f"{builder.place} has no {builder.trtexec} that tells its version; it ended with "
            f"{answer.exit_code}:\n{log.explain(answer.lines)}"
        )
    return Place(version, *found)


def _run(
    request: PlanRequest, builder: Builder, place: Place, draft: Path, tell: Tell
) -> PlanRecord:
    plan, cache = draft / request.output.name, draft / "timing.cache"
    graph = request.graph.resolve()
    files = Files(builder.path(graph), builder.path(plan), builder.path(cache))
    flags = build_flags(files, request.profiles, request.options, place.tensorrt)
    command = [builder.trtexec, *flags]
    with _timing_cache(place, cache):
        outcome = builder.run(command, tell)
        check(outcome, "trtexec built no plan")
        if not plan.is_file() or not plan.stat().st_size:
            raise PlanError(f"trtexec ended well, but wrote no plan:\n{log.explain(outcome.lines)}")
    return PlanRecord(
        tensorrt=said(log.parse_version(outcome.lines) or place.tensorrt),
        triton_tag=request.triton_tag,
        gpu=place.gpu,
        compute_capability=place.compute_capability,
        precision=request.precision,
        profiles=list(request.profiles),
        graph_sha256=_sha256(graph),
        plan_sha256=_sha256(plan),
        command=command,
        version_compatible=request.options.version_compatible,
        hardware_compatibility=request.options.hardware_compatibility,
    )


def check(outcome: Outcome, what: str) -> None:
    """PlanError with the end of the log."""
    if not outcome.is_ok:
        why = KILLED.get(outcome.exit_code, f"exit code {outcome.exit_code}")
        raise PlanError(f"{what}, {why}; its last lines:\n{log.explain(outcome.lines)}")


def timing_cache(place: Place) -> Path:
    """Of one TensorRT and one kind of GPU; others' times are of no use."""
    gpu = re.sub(r"[^A-Za-z0-9]+", "-", place.gpu).strip("-")
    return cache_folder() / "tensorrt" / f"{said(place.tensorrt)}-{gpu}.cache"


@contextmanager
def _timing_cache(place: Place, copy: Path) -> Iterator[None]:
    """A copy to write to, kept only of a build that succeeds."""
    kept = timing_cache(place)
    if kept.is_file():
        shutil.copyfile(kept, copy)
    yield
    if copy.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_name(f".{kept.name}.{uuid.uuid4().hex}")
        shutil.copyfile(copy, draft)
        draft.replace(kept)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _silent(_line: str) -> None:
    pass
