"""A Runner whose encoder is Triton's model, when that model fails."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle.server import Options, free_ports, serve
from tests.live.asking import Asker, audio
from tests.live.processes import children

pytestmark = pytest.mark.triton


def test_a_dead_encoder_is_a_failure_not_a_full_queue(
    demo_repository: Path, tmp_path: Path
) -> None:
    """A client would come back again and again to a server that says UNAVAILABLE."""
    for name in ("demo-bls", "demo-bls__encoder"):
        shutil.copytree(demo_repository / name, tmp_path / "models" / name)
    options = Options(
        [tmp_path / "models"], ports=free_ports(), log_file=tmp_path / "log", stop_timeout_s=1
    )
    with serve(options) as server, kserve.InferenceServerClient(server.grpc_address) as client:
        for stub in children(server.process.pid):
            if b"__encoder" in Path(f"/proc/{stub}/cmdline").read_bytes():
                os.kill(stub, signal.SIGKILL)
        sent = Asker(client, "demo-bls").send(audio([np.zeros(1600, np.float32)]))
        with pytest.raises(InferenceServerException, match="demo-bls__encoder: ") as failed:
            sent.result(60)
    assert failed.value.status() == "StatusCode.INTERNAL"
