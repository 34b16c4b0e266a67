"""Runs in the upstream project's Python, not in ours: its exporter, and the tracer it counts on.

All three projects call torch.onnx.export as torch 2.8 and older understood it; later ones need
dynamo=False for the same. Any Python from 3.7 on can run this file, and it imports nothing of ours.
"""

from __future__ import annotations

import argparse
import functools
import inspect
import runpy
import sys
import warnings
from pathlib import Path

OPSET = 14  # of FunASR's own command


def trace_as_before() -> None:
    import torch

    export = torch.onnx.export
    if "dynamo" in inspect.signature(export).parameters:
        torch.onnx.export = functools.partial(export, dynamo=False)
    warnings.simplefilter("ignore")  # tracing warns of every Python number that it freezes


def export_funasr(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="FunASR's exporter")
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--quantize", action="store_true", help="model_quant.onnx as well")
    parser.add_argument("--opset-version", type=int, default=OPSET)
    args = parser.parse_args(arguments)
    from funasr import AutoModel

    model = AutoModel(
        model=args.folder,
        device="cpu",
        disable_update=True,
        disable_pbar=True,
        ignore_init_mismatch=False,  # its default keeps random weights where sizes differ
    )
    model.export(
        type="onnx",
        quantize=args.quantize,
        opset_version=args.opset_version,
        output_dir=args.out,
        device="cpu",
    )


def run_script(arguments: list[str]) -> None:
    """As `python SCRIPT ARGUMENTS` does."""
    script = Path(arguments[0])
    sys.argv = arguments
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


def main() -> None:
    kind, *arguments = sys.argv[1:]
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]  # has a funasr.py
    trace_as_before()
    if kind == "funasr":
        export_funasr(arguments)
    else:
        run_script(arguments)


if __name__ == "__main__":
    main()
