"""Runs in the upstream project's Python, not in ours: its exporter, and the tracer it counts on.

The projects call torch.onnx.export as torch 2.8 and older understood it; later ones need
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
from typing import Any

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


def export_nemo(arguments: list[str]) -> None:
    """Writes model.onnx, or encoder-model.onnx and decoder_joint-model.onnx; tokens, settings."""
    parser = argparse.ArgumentParser(prog="NeMo's exporter")
    parser.add_argument("archive")
    parser.add_argument("out", type=Path)
    parser.add_argument("branch", choices=["ctc", "rnnt"])
    parser.add_argument("mode", choices=["offline", "streaming"])
    parser.add_argument("--att-context-size", help="of a stream: LEFT,RIGHT frames, as 70,13")
    args = parser.parse_args(arguments)
    from nemo.collections.asr.models import ASRModel
    from omegaconf import OmegaConf

    model = ASRModel.restore_from(args.archive, map_location="cpu")
    model.eval()
    config = {}
    if hasattr(model, "cur_decoder"):  # a hybrid
        model.change_decoding_strategy(decoder_type=args.branch)
        config["decoder_type"] = args.branch
    if args.mode == "streaming":
        config["cache_support"] = True
        if args.att_context_size:
            sizes = [int(size) for size in args.att_context_size.split(",")]
            model.encoder.set_default_att_context_size(sizes)
    if config:
        model.set_export_config(config)
    model.export(str(args.out / "model.onnx"))
    if args.mode == "streaming":
        for path in args.out.glob("*.onnx"):
            if not path.name.startswith("decoder_joint"):
                state_streaming(path, model.encoder)
    network = model.joint if hasattr(model, "joint") else model.decoder
    pieces = [*network.vocabulary, "<blk>"]
    lines = [f"{piece} {number}\n" for number, piece in enumerate(pieces)]
    (args.out / "vocab.txt").write_text("".join(lines), encoding="utf-8")
    OmegaConf.save(model.cfg, str(args.out / "model_config.yaml"))


def state_streaming(path: Path, encoder: Any) -> None:
    """What a window is, by the names that sherpa-onnx's export scripts use."""
    import onnx

    streaming = encoder.streaming_cfg
    chunk, before = (
        size[-1] if isinstance(size, (list, tuple)) else size
        for size in (streaming.chunk_size, streaming.pre_encode_cache_size)
    )
    facts = {
        "window_size": chunk + before,
        "chunk_shift": chunk,
        "cache_last_channel_dim1": len(encoder.layers),
        "cache_last_channel_dim2": streaming.last_channel_cache_size,
        "cache_last_channel_dim3": encoder.d_model,
        "cache_last_time_dim1": len(encoder.layers),
        "cache_last_time_dim2": encoder.d_model,
        "cache_last_time_dim3": encoder.conv_context_size[0],
    }
    model = onnx.load(str(path), load_external_data=False)
    onnx.helper.set_model_props(model, {key: str(value) for key, value in facts.items()})
    onnx.save(model, str(path))


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
    elif kind == "nemo":
        export_nemo(arguments)
    else:
        run_script(arguments)


if __name__ == "__main__":
    main()
