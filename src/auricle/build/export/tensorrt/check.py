"""Would TensorRT's ONNX parser take a graph: read on any machine, without TensorRT."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import NodeProto

from auricle.build.export.graph import Port, port_of
from auricle.build.export.tensorrt import profiles
from auricle.build.export.tensorrt.container import (
    MAX_BYTES,
    check_container,
    check_file,
    too_large,
)
from auricle.build.export.tensorrt.control_flow import check_control
from auricle.build.export.tensorrt.findings import Finding, Report
from auricle.build.export.tensorrt.lengths import check_lengths
from auricle.build.export.tensorrt.node_rules import check_node
from auricle.build.export.tensorrt.operators import FIRST, Version
from auricle.build.export.tensorrt.scope import Scope, infer, open_scope, walk
from auricle.errors import CheckpointError

Profile = dict[str, profiles.Triple] | profiles.Range | None


def check_graph(path: Path, versions: Sequence[Version], profile: Profile = None) -> Report:
    """Of a file; its weights are not needed. CheckpointError if it is no ONNX graph."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        return Report(path, {version: [too_large(size)] for version in versions})
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise CheckpointError(f"{path} is no whole ONNX file: {error}; fetch it again") from error
    if not model.graph.node:
        raise CheckpointError(f"{path} holds no ONNX graph; is it a pointer of Git LFS?")
    beside = list(check_file(path, model))
    report = check_model(model, versions, profile, path)
    return Report(path, {version: [*beside, *report.findings[version]] for version in versions})


def check_model(
    model: onnx.ModelProto,
    versions: Sequence[Version],
    profile: Profile = None,
    path: Path = Path("graph"),
) -> Report:
    """The model is left without its large weights."""
    inferred = infer(model)
    scope = open_scope(inferred.graph)
    inputs = inputs_of(scope)
    triples = profiles.expand(inputs, profile) if isinstance(profile, profiles.Range) else profile
    shared = [
        *(finding for inner, node in walk(scope) for finding in check_control(inner, node)),
        *_check_axes(scope),
        *check_lengths(scope),
        *profiles.check_profile(inputs, triples),
    ]
    functions = {(function.domain, function.name) for function in inferred.functions}
    return Report(
        path,
        {
            version: [
                *check_container(inferred, version),
                *_check_nodes(scope, functions, version),
                *shared,
            ]
            for version in versions
        },
    )


def inputs_of(scope: Scope) -> list[Port]:
    return [port_of(value) for value in scope.graph.input if value.name not in scope.constants]


def parse_version(text: str) -> Version:
    """10.5, or 10 for its first release; ValueError for what is none, or older than 10."""
    major, _, rest = text.partition(".")
    minor = rest.split(".")[0] or "0"
    if not (major.isdecimal() and minor.isdecimal()) or (int(major), int(minor)) < FIRST:
        raise ValueError(f"{text!r} is no version of TensorRT from 10 on; write 10.5 or 11")
    return int(major), int(minor)


def _check_nodes(
    scope: Scope, functions: set[tuple[str, str]], version: Version
) -> Iterator[Finding]:
    """Local functions are imported by what they are made of."""
    for inner, node in walk(scope):
        if (node.domain, node.op_type) not in functions:
            yield from check_node(inner, node, version)


def _check_axes(scope: Scope) -> Iterator[Finding]:
    sums: list[tuple[Scope, NodeProto]] = [
        (inner, node) for inner, node in walk(scope) if node.op_type == "CumSum"
    ]
    axes = {
        str(value.reshape(-1)) for inner, node in sums
        if (value := inner.value(node.input[1])) is not None
    }  # fmt: skip
    if len(axes) > 1:
        inner, node = sums[0]
        why = f"{len(sums)} of them on different axes: TensorRT since 10.8 has summed all on one"
        advice = "compare the plan's output with ONNX Runtime's"
        source = "onnx/onnx-tensorrt#1034"
        yield Finding("warning", inner.place(node), node.op_type, why, source, advice)
