"""onnxruntime writes an identifier of the machine before it reports anything to anyone."""

import os
import subprocess
import sys
from pathlib import Path

from auricle.server.command import build_environment
from auricle.server.locate import find_triton

SUPPRESSING = ("CI", "ORT_DISABLE_TELEMETRY")  # onnxruntime's own grounds to be silent


def test_who_runs_graphs_is_reported_to_nobody(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name not in SUPPRESSING}
    environment = inherited | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", "import auricle.build.export.session"]
    subprocess.run(command, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_servers_and_their_models_inherit_the_silence() -> None:
    assert build_environment(find_triton(), None)["ORT_DISABLE_TELEMETRY"] == "1"
