"""What Triton's log says about a start that failed."""

import re
from collections.abc import Iterable

MAX_LINES = 12
# A line of Triton: I1121 01:49:20.004015 12292 python_be.cc:2249] "text with \n in it"
TRITON_ERROR = re.compile(r'^E\d{4} [\d:.]+ \d+ (?P<place>\S+)\] "?(?P<text>.*?)"?$')
PLAIN_ERROR = re.compile(r"^error: (?P<text>.*)$")
HARMLESS = "CudaDriverHelper has not been initialized"  # said wherever there is no GPU
TABLE = ("+-", "| ")  # Triton's own options, backends and models
IMPORT_FRAME = "<frozen importlib"  # of a Python traceback: how imports work, not what failed
MODEL_FAILED = "model_lifecycle.cc"  # the one place that names the model and the whole reason

CAUSES = {
    r"Unable to create S3 filesystem client.*Couldn't (connect|resolve)": (
        "nothing answers at the address of the storage; check s3://http://HOST:PORT/BUCKET/PATH"
    ),
    r"Unable to create S3 filesystem client": (
        "there is no such bucket, or the storage refuses AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY; look with `aws s3 ls`"
    ),
    r"repository path is not a valid directory": (
        "nothing lies there; `auricle repo push` fills a bucket"
    ),
    r"No module named '(?P<what>[\w.]+)'": (
        "the environment that runs auricle lacks the package {what}; install it there"
    ),
    r"Unsupported model IR version|is under development and support for this is limited": (
        "the ONNX file is newer than this ONNX Runtime; build it with IR version <= 10, opset <= 18"
    ),
    r"Protobuf parsing failed": ("the ONNX file is cut short; run `auricle build` again"),
    r"has kind KIND_GPU but no GPUs are available": (
        "this machine has no GPU; write kind: KIND_CPU into the config.pbtxt of the model"
    ),
    r"(?P<what>\S+\.so[.\d]*): cannot open shared object file": (
        "the loader does not find {what}; install the package that holds it"
    ),
    r"No space left on device|Unable to initialize shared memory|Bus error": (
        "the shared memory /dev/shm is too small; in a container pass --shm-size=1g"
    ),
    r"already in use": "another server took the port meanwhile; choose other ports",
    r"[Uu]nrecognized option|unrecognised option": (
        "this Triton does not know a flag that auricle passes; please report its version"
    ),
    r"bad_alloc|[Oo]ut of memory|signal: 9": "the machine ran out of memory; use fewer instances",
}


def explain(log: str) -> str:
    """The lines of a log that matter, and what they probably mean."""
    texts = error_lines(log.splitlines())
    lines = [line for text in texts for line in text.split("\\n") if line.strip()]
    shown = [f"  {line}" for line in lines if not line.lstrip().startswith(IMPORT_FRAME)]
    cause = probable_cause(log)
    return "\n".join([*shown[:MAX_LINES], *([f"probably: {cause}"] if cause else [])])


def error_lines(lines: Iterable[str]) -> list[str]:
    """Why models failed; without such, all errors; without those, the end of the log."""
    lines = [line for line in lines if line.strip() and not line.startswith(TABLE)]
    lines = [line for line in lines if HARMLESS not in line]
    errors = [match for line in lines if (match := TRITON_ERROR.match(line))]
    failures = [match["text"] for match in errors if match["place"].startswith(MODEL_FAILED)]
    plain = [match["text"] for line in lines if (match := PLAIN_ERROR.match(line))]
    found = failures or [match["text"] for match in errors] + plain
    return list(dict.fromkeys(found)) or lines[-MAX_LINES:]


def probable_cause(log: str) -> str | None:
    for pattern, cause in CAUSES.items():
        match = re.search(pattern, log)
        if match:
            return cause.format(**match.groupdict())
    return None
