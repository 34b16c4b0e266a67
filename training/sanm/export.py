"""Write a checkpoint as FunASR publishes a model; FunASR's own code writes the ONNX."""

import argparse
import functools
import json
import shutil
import warnings
from pathlib import Path
from unittest import mock

import torch
import yaml
from funasr.utils import export_utils
from torch import nn

from training.published import BPE_NAME
from training.sanm.dataset import Cmvn
from training.sanm.models import CONFIGS, Checkpoint, SenseVoice, Values, load, objective


def write_onnx(model: nn.Module, config: Values, folder: Path, quantize: bool) -> None:
    """model.onnx, decoder.onnx of an online model, and their _quant.onnx, by FunASR's exporter.

    It rebuilds the model that it is given, and calls torch.onnx.export as torch 2.8 and older
    understood it, so the old exporter is chosen here.
    """
    tracing = functools.partial(torch.onnx.export, dynamo=False)
    with mock.patch("torch.onnx.export", tracing), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about every Python number it freezes
        parts = {name: value for name, value in config.items() if name != "model"}
        export_utils.export(
            model, quantize=quantize, output_dir=str(folder), init_param="", device="cpu", **parts
        )


def write_cmvn(cmvn: Cmvn, path: Path) -> None:
    """am.mvn: two layers of a Kaldi network in text."""
    size = len(cmvn.shift)
    lines = ["<Nnet>", f"<Splice> {size} {size}", "[ 0 ]"]
    for layer, values in (("AddShift", cmvn.shift), ("Rescale", cmvn.scale)):
        numbers = " ".join(f"{value:.9g}" for value in values)
        lines += [f"<{layer}> {size} {size}", f"<LearnRateCoef> 0 [ {numbers} ]"]
    path.write_text("\n".join([*lines, "</Nnet>"]) + "\n", encoding="utf-8")


def write_config(config: Values, path: Path) -> None:
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def export(checkpoint: Checkpoint, bpe: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    goal = objective(checkpoint.kind, bpe)
    goal.model.load_state_dict(checkpoint.weights)
    goal.model.eval()
    has_pieces = isinstance(goal, SenseVoice)
    tokens = goal.pieces.tokens if has_pieces else goal.cuts.tokens
    write_onnx(goal.model, CONFIGS[checkpoint.kind], out, quantize=True)
    write_cmvn(checkpoint.cmvn, out / "am.mvn")
    write_config(CONFIGS[checkpoint.kind], out / "config.yaml")
    listed = json.dumps(tokens, ensure_ascii=False, indent=0)
    (out / "tokens.json").write_text(listed + "\n", encoding="utf-8")
    if has_pieces:
        shutil.copyfile(bpe, out / BPE_NAME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="of training.sanm.train")
    parser.add_argument("bpe", type=Path, help="bpe.model of training.sanm.tokens")
    parser.add_argument("out", type=Path, help="the folder as FunASR publishes it")
    args = parser.parse_args()
    export(load(args.checkpoint), args.bpe, args.out)


if __name__ == "__main__":
    main()
