"""Who may import whom: the table of docs/architecture.md, enforced on the source."""

import ast
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "auricle"
GROUND = {"errors", "wire"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "wire": set(),
    "access": {"errors"},
    "spec": {"errors"},
    "audio": {"errors"},
    "hotword_files": {"errors"},
    "build.frontend": {"errors"},
    "build.export": {"build.frontend", "errors"},
    "build.tensorrt": {"access", "build.export", "spec", "errors"},
    "build.random_checkpoint": {"errors"},
    "build.checkpoint": {"spec", "errors"},
    "build.upstream": {"access", "build.checkpoint", "errors"},
    "build.families": {
        "build.checkpoint", "build.frontend", "build.export", "build.upstream", "spec", "errors",
    },
    "build.repository": {
        "build.families", "build.export", "build.tensorrt", "spec", "wire", "errors",
    },
    "serve.decode": {"errors"},
    "serve.spelling": {"spec", "errors"},
    "serve.tags": {"spec"},
    "serve.tokens": {"serve.spelling", "serve.tags", "serve.decode", "spec"},
    "serve.lexicon": {
        "serve.decode", "serve.spelling", "serve.tags", "serve.tokens", "spec",
    },
    "serve.runner": set(),
    "serve.quoting": set(),
    "serve.itn": {"errors"},
    "serve.vad": {"spec"},
    "serve.options": {"serve.decode", "serve.vad", "spec"},
    "serve.scorers": {"hotword_files", "serve.decode", "serve.hotword_graphs", "serve.options"},
    "serve.written": {"serve.itn", "serve.tokens", "spec"},
    "serve.planning": {"serve.options", "serve.runner", "spec"},
    "serve.searches": {
        "serve.decode", "serve.options", "serve.runner", "serve.scorers", "spec", "errors",
    },
    "serve.stream_arrays": {"serve.runner"},
    "serve.stream_searches": {
        "serve.decode", "serve.options", "serve.planning", "serve.runner", "serve.scorers",
        "serve.searches", "spec", "errors",
    },
    "serve.framing": {"serve.planning", "spec"},
    "serve.relay": {"spec"},
    "serve.segments": {"serve.decode", "serve.tokens"},
    "serve.stream": {
        "serve.decode", "serve.framing", "serve.options", "serve.planning", "serve.runner",
        "serve.segments", "serve.stream_searches", "serve.tokens",
    },
    "serve.streaming": {
        "serve.decode", "serve.framing", "serve.options", "serve.relay", "serve.runner",
        "serve.scorers", "serve.searches", "serve.segments", "serve.stream",
        "serve.stream_arrays", "serve.stream_searches", "serve.tokens", "spec",
    },
    "serve.hotwords": {
        "serve.options", "serve.quoting", "serve.runner", "serve.spelling", "spec", "errors",
    },
    "serve.hotword_graphs": {"hotword_files", "serve.decode"},
    "serve.phrases": {
        "serve.byte_pairs", "serve.hotwords", "serve.quoting", "serve.spelling", "spec", "errors",
    },
    "serve.byte_pairs": {"serve.quoting", "serve.spelling", "errors"},
    "serve.long_form": {
        "serve.decode", "serve.options", "serve.planning", "serve.runner", "serve.tokens", "spec",
    },
    "serve.long_audio": {
        "serve.planning", "serve.spelling", "serve.tags", "serve.tokens", "serve.vad",
    },
    "serve.detector": {
        "serve.options", "serve.planning", "serve.runner", "serve.scorers", "serve.tokens",
        "serve.vad", "spec",
    },
    "serve.recordings": {
        "serve.detector", "serve.long_audio", "serve.long_form", "serve.options",
        "serve.planning", "serve.tokens", "serve.vad", "spec",
    },
    "serve.pipeline": {
        "serve.decode", "serve.detector", "serve.hotwords", "serve.long_form", "serve.options",
        "serve.planning", "serve.recordings", "serve.runner", "serve.scorers", "serve.searches",
        "serve.tokens", "serve.written", "spec",
    },
    "serve.backend": {
        "hotword_files", "serve.byte_pairs", "serve.decode", "serve.detector",
        "serve.hotword_graphs", "serve.hotwords", "serve.itn", "serve.lexicon", "serve.options",
        "serve.phrases", "serve.pipeline", "serve.planning", "serve.quoting", "serve.runner",
        "serve.scorers", "serve.searches", "serve.segments", "serve.spelling", "serve.stream",
        "serve.streaming", "serve.tokens", "serve.vad", "spec", "wire", "errors",
    },
    "client": {"access", "wire", "audio", "hotword_files", "errors"},
    "gate": {
        "serve.backend", "serve.runner", "serve.stream", "serve.streaming", "client", "audio",
        "spec", "errors",
    },
    "server": {"access", "spec", "wire", "errors"},
    "bucket": {"errors"},
    "doctor": {"access", "server", "errors"},
}  # fmt: skip
THIRD_PARTY_ROOM: dict[str, set[str]] = {
    "soundfile": {"audio"},
    "soxr": {"audio"},
    "onnx": {
        "build.frontend",
        "build.export",
        "build.families",
        "build.random_checkpoint",
        "build.tensorrt",
        "build.upstream",
    },
    "onnxruntime": {"build.export", "build.random_checkpoint", "serve.backend", "server"},
    "kaldi_native_fbank": {"build.export"},
    "huggingface_hub": {"build.checkpoint"},
    "triton_python_backend_utils": {"serve.backend", "server"},
    "docker": {"build.tensorrt"},
    "kaldialign": {"client"},
    "sounddevice": {"client"},
    "matplotlib": {"client"},
    "wetext": {"serve.itn"},
    "boto3": {"bucket"},
    "botocore": {"bucket"},
    "s3transfer": {"bucket"},
    "kenlm": {"serve.backend"},
    "typer": {"cli"},
    "rich": {"cli"},
}


def room_of(module: str) -> str | None:
    """The longest room name that is the module or a package above it; None for `cli`."""
    names = [room for room in ROOMS if module == room or module.startswith(room + ".")]
    return max(names, key=len, default=None)


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = sorted(path for path in SOURCE.rglob("*.py") if "cli" not in path.parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    room = room_of(module_of(path))
    if room is None:
        assert not [name for name in imported(path) if name.startswith("auricle.")]
        return
    ours = {name.removeprefix("auricle.") for name in imported(path) if name.startswith("auricle.")}
    targets = {room_of(name) for name in ours}
    assert targets <= ROOMS[room] | {room, None}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_third_party_has_its_own_room(path: Path) -> None:
    tops = {name.split(".")[0] for name in imported(path)}
    for package in tops & set(THIRD_PARTY_ROOM):
        assert room_of(module_of(path)) in THIRD_PARTY_ROOM[package], package


def test_serving_leaves_the_builder_and_torch_out() -> None:
    code = (
        "import sys, auricle.serve.pipeline as _; "
        "print([m for m in ('torch', 'onnx', 'tensorrt', 'auricle.build') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_pytest_collects_every_folder_of_tests(pytestconfig: pytest.Config) -> None:
    patterns = pytestconfig.getini("norecursedirs")
    here = Path(__file__).parent
    folders = {path.parent.relative_to(here) for path in here.rglob("test_*.py")}
    parts = {part for folder in folders for part in folder.parts}
    assert "build" in parts
    assert not {part for part in parts if any(fnmatch(part, pattern) for pattern in patterns)}
