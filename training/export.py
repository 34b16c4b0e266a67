"""Write a checkpoint as icefall writes ONNX: names, dynamic axes, metadata and file names.

The projections are folded into encoder and decoder, so the joiner is only Linear(tanh(a + b)).
"""

import argparse
import dataclasses
import shutil
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from training.model import ModelConfig, Progress, Recognizer, load
from training.tokens import VOCAB_SIZE, train_bpe, write_tokens

OPSET = 13  # as icefall exports
AUTHOR = "auricle"
TRACE_FRAMES = 200


@dataclasses.dataclass(frozen=True)
class Graph:
    """One ONNX file: its module, example inputs by name, outputs, dynamic axes, metadata."""

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    axes: dict[str, dict[int, str]]
    metadata: dict[str, str]


class TransducerEncoder(nn.Module):
    """x [N, T, 80], x_lens [N] -> encoder_out [N, T', joiner_dim], encoder_out_lens [N]."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.encoder, self.encoder_proj = model.encoder, model.encoder_proj

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        encoder_out, encoder_out_lens = self.encoder(x, x_lens)
        return self.encoder_proj(encoder_out), encoder_out_lens


class TransducerDecoder(nn.Module):
    """y [N, context_size] -> decoder_out [N, joiner_dim]."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.decoder, self.decoder_proj = model.decoder, model.decoder_proj

    def forward(self, y: Tensor) -> Tensor:
        return torch.as_tensor(self.decoder_proj(self.decoder(y)).squeeze(1))


class CtcModel(nn.Module):
    """x [N, T, 80], x_lens [N] -> log_probs [N, T', V], log_probs_len [N]."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.encoder, self.ctc = model.encoder, model.ctc

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        encoder_out, encoder_out_lens = self.encoder(x, x_lens)
        return self.ctc(encoder_out).log_softmax(dim=2), encoder_out_lens


def _features() -> dict[str, Tensor]:
    x = torch.randn(2, TRACE_FRAMES, 80)
    return {"x": x, "x_lens": torch.tensor([TRACE_FRAMES, TRACE_FRAMES - 40])}


def encoder_graph(model: Recognizer) -> Graph:
    return Graph(
        TransducerEncoder(model),
        _features(),
        ("encoder_out", "encoder_out_lens"),
        {
            "x": {0: "N", 1: "T"},
            "x_lens": {0: "N"},
            "encoder_out": {0: "N", 1: "T"},
            "encoder_out_lens": {0: "N"},
        },
        {
            "model_type": "conformer",
            "version": "1",
            "model_author": AUTHOR,
            "comment": "demo transducer, synthetic speech only",
        },
    )


def decoder_graph(model: Recognizer) -> Graph:
    config = model.config
    return Graph(
        TransducerDecoder(model),
        {"y": torch.tensor([[-1, 0], [0, 1]])[:, : config.context_size]},
        ("decoder_out",),
        {"y": {0: "N"}, "decoder_out": {0: "N"}},
        {"context_size": str(config.context_size), "vocab_size": str(config.vocab_size)},
    )


def joiner_graph(model: Recognizer) -> Graph:
    joiner_dim = model.config.joiner_dim
    return Graph(
        model.joiner,
        {
            "encoder_out": torch.randn(2, joiner_dim),
            "decoder_out": torch.randn(2, joiner_dim),
        },
        ("logit",),
        {"encoder_out": {0: "N"}, "decoder_out": {0: "N"}, "logit": {0: "N"}},
        {"joiner_dim": str(joiner_dim)},
    )


def ctc_graph(model: Recognizer) -> Graph:
    return Graph(
        CtcModel(model),
        _features(),
        ("log_probs", "log_probs_len"),
        {
            "x": {0: "N", 1: "T"},
            "x_lens": {0: "N"},
            "log_probs": {0: "N", 1: "T"},
            "log_probs_len": {0: "N"},
        },
        {
            "model_type": "zipformer2_ctc",  # sherpa-onnx has no name for a conformer with CTC
            "version": "1",
            "model_author": AUTHOR,
            "comment": "demo CTC, a conformer inside, synthetic speech only",
        },
    )


def write_graph(graph: Graph, path: Path) -> None:
    graph.module.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about every Python number it freezes
        torch.onnx.export(
            graph.module,
            tuple(graph.inputs.values()),
            str(path),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes=graph.axes,
            opset_version=OPSET,
            dynamo=False,
        )
    proto = onnx.load(str(path))
    onnx.helper.set_model_props(proto, graph.metadata)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(path))


def export_transducer(model: Recognizer, progress: Progress, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    suffix = f"epoch-{progress.epoch}-avg-1.onnx"
    write_graph(encoder_graph(model), folder / f"encoder-{suffix}")
    write_graph(decoder_graph(model), folder / f"decoder-{suffix}")
    write_graph(joiner_graph(model), folder / f"joiner-{suffix}")


def export_ctc(model: Recognizer, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(ctc_graph(model), folder / "model.onnx")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="gets icefall-transducer/ and icefall-ctc/")
    parser.add_argument("--checkpoint", type=Path, help="absent: random weights of the sizes below")
    parser.add_argument("--bpe", type=Path, help="bpe.model of the checkpoint")
    parser.add_argument("--dim", type=int, default=ModelConfig.dim)
    parser.add_argument("--layers", type=int, default=ModelConfig.num_layers)
    parser.add_argument("--joiner-dim", type=int, default=ModelConfig.joiner_dim)
    return parser.parse_args()


def _model(args: argparse.Namespace) -> tuple[Recognizer, Progress]:
    if args.checkpoint is not None:
        return load(args.checkpoint)
    torch.manual_seed(0)
    config = ModelConfig(
        vocab_size=VOCAB_SIZE, dim=args.dim, num_layers=args.layers, joiner_dim=args.joiner_dim
    )
    return Recognizer(config).eval(), Progress()


def main() -> None:
    args = _parse()
    model, progress = _model(args)
    transducer, ctc = args.out / "icefall-transducer", args.out / "icefall-ctc"
    export_transducer(model, progress, transducer)
    export_ctc(model, ctc)
    if args.bpe is None:
        train_bpe(transducer, model.config.vocab_size)
    elif args.bpe.resolve() != (transducer / "bpe.model").resolve():
        shutil.copyfile(args.bpe, transducer / "bpe.model")
    write_tokens(transducer)
    for name in ("bpe.model", "tokens.txt"):
        shutil.copyfile(transducer / name, ctc / name)


if __name__ == "__main__":
    main()
