"""On lines that Triton 2.51 wrote."""

import pytest

from auricle.server.log import MAX_LINES, explain

START = """\
I1121 01:49:20.001158 12292 model_lifecycle.cc:472] "loading: demo:1"
E1121 01:49:20.000040 12292 server.cc:241] "CudaDriverHelper has not been initialized."
"""
REASON = r"ModuleNotFoundError: No module named 'kenlm'\n\nAt:\n  /m/1/model.py(1): <module>\n"
FRAME = r"  <frozen importlib._bootstrap>(241): _call_with_frames_removed\n"
FAILED = f"""{START}\
E1121 01:49:20.411555 12292 backend_model.cc:692] "ERROR: Failed to create: {REASON}{FRAME}"
E1121 01:49:20.411893 12292 model_lifecycle.cc:642] "failed to load 'm' version 1: {REASON}{FRAME}"
error: creating server: Internal - failed to load all models
"""


def test_the_reason_of_the_model_is_shown_once() -> None:
    assert explain(FAILED).splitlines() == [
        "  failed to load 'm' version 1: ModuleNotFoundError: No module named 'kenlm'",
        "  At:",
        "    /m/1/model.py(1): <module>",
        "probably: the environment that runs auricle lacks the package kenlm; install it there",
    ]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object"
            " file: No such file or directory",
            "the loader does not find libpython3.11.so.1.0",
        ),
        ("Unsupported model IR version: 14, max supported IR version: 10", "IR version <= 10"),
        ("Failed to increase the shared memory pool size: No space left on device", "--shm-size"),
        ("Load model from /m/1/encoder.onnx failed:Protobuf parsing failed.", "is cut short"),
        ("model demo has kind KIND_GPU but no GPUs are available", "KIND_CPU"),
        ("tritonserver: unrecognized option '--no-such-flag'", "does not know a flag"),
    ],
)
def test_a_known_symptom_has_its_cause(line: str, cause: str) -> None:
    assert cause in explain(START + line)


def test_without_an_error_the_end_of_the_log_is_shown() -> None:
    lines = [f"line {number}" for number in range(50)]
    assert explain("\n".join(lines)) == "\n".join(f"  {line}" for line in lines[-MAX_LINES:])


def test_tables_are_no_reason() -> None:
    assert explain("+-----+\n| a | b |\n+-----+\nstarted\n") == "  started"


def test_an_empty_log_explains_nothing() -> None:
    assert explain("") == ""
