"""Checkouts of WeNet and icefall in which all but the network is there.

Their scripts are found, import what lies beside them, read the arguments that the real ones read,
and call torch.onnx.export as the real ones do. The torch that they see is a stand-in, which refuses
to trace as torch 2.9 and newer do, and copies a graph where it is asked as older ones were.
"""

import json
from pathlib import Path

from tests.build import tiny

TORCH = """
import shutil

class onnx:
    @staticmethod
    def export(model, args, f, dynamo=True, dynamic_axes=None):
        assert not dynamo, "the new exporter cannot read these arguments"
        shutil.copyfile(model, f)
"""
WENET = """
import argparse, json, pathlib, sys, torch, wenet
parser = argparse.ArgumentParser()
for name in ("config", "checkpoint", "cmvn_file", "output_onnx_dir", "ctc_weight"):
    parser.add_argument("--" + name)
parser.add_argument("--streaming", action="store_true")
args = parser.parse_args()
root = pathlib.Path(wenet.__file__).parents[1]
print("loading", args.checkpoint, pathlib.Path(args.checkpoint).read_text())
record = {**vars(args), "train.yaml": pathlib.Path(args.config).read_text()}
(root / "seen.json").write_text(json.dumps(record))
for graph in (root / "graphs").glob("*.onnx"):
    torch.onnx.export(graph, (), pathlib.Path(args.output_onnx_dir) / graph.name)
"""
TRACED = """
import sys, torch
out = sys.argv[sys.argv.index("--output_onnx_dir") + 1]
x = torch.zeros(2, 3, 80)
model = torch.jit.trace(torch.nn.Linear(80, 4), x)
torch.onnx.export(
    model, (x,), out + "/encoder.onnx", opset_version=13, input_names=["x"], output_names=["y"],
    dynamic_axes={"x": {0: "B", 1: "T"}, "y": {0: "B", 1: "T"}},
)
"""
ICEFALL = """
import argparse, json, pathlib, icefall, torch
from zipformer import Zipformer2
parser = argparse.ArgumentParser()
for name in ("exp-dir", "epoch", "avg", "use-averaged-model", "num-encoder-layers"):
    parser.add_argument("--" + name)
parser.add_argument("--SYMBOLS")
args = parser.parse_args()
root = pathlib.Path(icefall.__file__).parents[1]
(root / "seen.json").write_text(json.dumps(vars(args)))
weights = pathlib.Path(args.exp_dir) / f"epoch-{args.epoch}.pt"
print("loading", weights.read_text())
for graph in (root / "graphs").glob("*.onnx"):
    torch.onnx.export(graph, (), pathlib.Path(args.exp_dir) / graph.name)
"""


def write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def make_wenet(root: Path, script: str = WENET) -> Path:
    write({
        root / "torch.py": TORCH,
        root / "wenet" / "__init__.py": "",
        root / "wenet" / "bin" / "export_onnx_gpu.py": script,
    })  # fmt: skip
    for name in ("encoder.onnx", "decoder.onnx"):
        write({root / "graphs" / name: name})
    return root


def make_icefall(root: Path, script: str = "export-onnx.py", symbols: str = "tokens") -> Path:
    recipe = root / "egs" / "librispeech" / "ASR" / "zipformer"
    write({
        root / "torch.py": TORCH,
        root / "icefall" / "__init__.py": "",
        recipe / "zipformer.py": "class Zipformer2: pass",
        recipe / script: ICEFALL.replace("SYMBOLS", symbols),
    })  # fmt: skip
    writer = tiny.write_ctc if "ctc" in script else tiny.write_transducer
    writer(root / "graphs")
    return root


def make_wenet_checkpoint(folder: Path, train_yaml: str = "input_dim: 80\n") -> Path:
    write({
        folder / "final.pt": "WEIGHTS",
        folder / "train.yaml": train_yaml,
        folder / "global_cmvn": '{"mean_stat": [1], "var_stat": [1], "frame_num": 1}',
        folder / "units.txt": "<blank> 0\n",
    })  # fmt: skip
    return folder


def make_icefall_checkpoint(folder: Path) -> Path:
    write({
        folder / "exp" / "pretrained.pt": "WEIGHTS",
        folder / "exp" / "jit_script.pt": "not these",
        folder / "data" / "lang_bpe_500" / "bpe.model": "BPE",
    })  # fmt: skip
    tiny.write_tokens(folder / "data" / "lang_bpe_500")
    return folder


def seen(root: Path) -> dict[str, str]:
    """The arguments that the script of a checkout was given."""
    record: dict[str, str] = json.loads((root / "seen.json").read_text())
    return record
