"""PyTorch checkpoints as FunASR publishes them; only a Python that has funasr can make them."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = ("paraformer", "sense-voice")

MAKE = """
import sys
from pathlib import Path
import numpy as np, torch
from training.sanm.dataset import Cmvn
from training.sanm.export import export
from training.sanm.models import Checkpoint, objective
from training.sanm.tokens import train_bpe

out = Path(sys.argv[1])
train_bpe(out / "bpe.model")
cmvn = Cmvn(np.full(560, -12, np.float32), np.full(560, 0.3, np.float32))
for kind in sys.argv[2:]:
    torch.manual_seed(0)
    weights = objective(kind, out / "bpe.model").model.state_dict()
    export(Checkpoint(kind, cmvn, weights, 0.0), out / "bpe.model", out / kind)
    torch.save(weights, out / kind / "model.pt")
torch.save({**weights, "embed.weight": torch.zeros(1, 1)}, out / "other.pt")
weights.pop("embed.weight")
torch.save(weights, out / "partial.pt")
"""

MAKE_VARIANT = """
import json, sys
from pathlib import Path
import numpy as np, torch
import training.sanm.variants as variants
from training.sanm.dataset import Cmvn
from training.sanm.export import write_cmvn, write_config
from training.sanm.models import build
from training.sanm.tokens import Cuts, Pieces, train_bpe

out, kind = Path(sys.argv[1]), sys.argv[2]
variants.DIM = 512  # which FunASR's exporter takes for granted
for sizes in variants.SIZES.values():
    sizes.update({name: 512 for name in sizes.keys() & {"output_size", "idim"}})
train_bpe(out / "bpe.model")
tokens = Cuts(Pieces.load(out / "bpe.model").bpe).tokens
(out / "bpe.model").unlink()
config = variants.KINDS[kind]()
torch.save(build(config, len(tokens)).state_dict(), out / "model.pt")
write_cmvn(Cmvn(np.full(560, -13, np.float32), np.full(560, 0.3, np.float32)), out / "am.mvn")
write_config(config, out / "config.yaml")
(out / "tokens.json").write_text(json.dumps(tokens))
"""


def make_variant(python: str, kind: str, folder: Path) -> Path:
    """A Paraformer with times or hotwords, of random weights."""
    folder.mkdir()
    subprocess.run([python, "-c", MAKE_VARIANT, str(folder), kind], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="session")
def funasr_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each kind: model.pt, what is beside it, and the graphs of training's own export.

    Beside them other.pt and partial.pt, which are no weights of SenseVoice.
    """
    python = os.environ.get("AURICLE_FUNASR_PYTHON")
    if python is None:
        pytest.skip("AURICLE_FUNASR_PYTHON names no Python that has funasr")
    out = tmp_path_factory.mktemp("funasr")
    subprocess.run([python, "-c", MAKE, str(out), *KINDS], cwd=ROOT, check=True)
    return out
