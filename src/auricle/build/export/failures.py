"""What ONNX Runtime raises: of a graph that it cannot load, and of inputs that a graph fails on."""

import re

from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

LOAD_ERRORS = (
    ort_errors.Fail, ort_errors.InvalidGraph, ort_errors.InvalidProtobuf, ort_errors.NotImplemented,
)  # fmt: skip
RUN_ERRORS = (ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.RuntimeException)
BOUND_RUN_ERRORS = (*RUN_ERRORS, RuntimeError)  # with inputs and outputs bound, all that failed

# "... while running Tile node. Name:'x' Status Message: /a/file.h:91 void f(int, bool) what it was"
FAILED_NODE = re.compile(
    r"running (\w+) node.*?Status Message: (?:/\S+:\d+ .*?\) )?(.*)", re.DOTALL
)


def say(error: Exception) -> str:
    """The operator that failed and why, without the lines of ONNX Runtime's source, if it says."""
    found = FAILED_NODE.search(str(error))
    return f"{found.group(1)}: {found.group(2)}" if found else str(error)
