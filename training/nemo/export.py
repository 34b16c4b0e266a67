"""Write model.onnx and vocab.txt as onnx-asr lays NeMo's exports out.

The graph: audio_signal [B, 80, T], length [B] -> logprobs [B, T', V], blank last; its weights are
stored in float16.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training.model import Recognizer
from training.nemo.model import load_nemo
from training.tokens import load_bpe

OPSET = 17  # as NeMo exports
TRACE_FRAMES = 200
PADDED = 6  # frames behind the last, so that n of them give ceil(n / 4), as NeMo counts
MIN_STORED = 1000  # values of a tensor that is worth storing in float16


class NemoCtc(nn.Module):
    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.encoder, self.ctc = model.encoder, model.ctc

    def forward(self, audio_signal: Tensor, length: Tensor) -> Tensor:
        """audio_signal: normalised [B, F, T]; length: int64 [B]. Returns [B, T', V], blank last."""
        x = F.pad(audio_signal.transpose(1, 2), (0, 0, 0, PADDED))
        encoder_out, _ = self.encoder.forward_normalized(x, length + PADDED)
        logits = self.ctc(encoder_out)
        return torch.cat([logits[:, :, 1:], logits[:, :, :1]], dim=2).log_softmax(dim=2)


def export(model: Recognizer, bpe_path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    audio = torch.randn(2, model.config.encoder.num_mel_bins, TRACE_FRAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about every Python number it freezes
        torch.onnx.export(
            NemoCtc(model).eval(),
            (audio, torch.tensor([TRACE_FRAMES, TRACE_FRAMES - 40])),
            str(folder / "model.onnx"),
            input_names=["audio_signal", "length"],
            output_names=["logprobs"],
            dynamic_axes={
                "audio_signal": {0: "B", 2: "T"},
                "length": {0: "B"},
                "logprobs": {0: "B", 1: "T2"},
            },
            opset_version=OPSET,
            dynamo=False,
        )
    proto = onnx.load(str(folder / "model.onnx"))
    store_in_float16(proto.graph)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(folder / "model.onnx"))
    bpe = load_bpe(bpe_path)
    pieces = [bpe.id_to_piece(i) for i in range(1, bpe.get_piece_size())]
    lines = [f"{piece} {number}\n" for number, piece in enumerate([*pieces, "<blk>"])]
    (folder / "vocab.txt").write_text("".join(lines), encoding="utf-8")


def store_in_float16(graph: onnx.GraphProto) -> None:
    """Half the file; the arithmetic stays in float32."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= MIN_STORED:
            stored = f"{tensor.name}.stored"
            casts.append(helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="of training.nemo.train")
    parser.add_argument("bpe", type=Path, help="bpe.model of its tokens")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    export(load_nemo(args.checkpoint)[0], args.bpe, args.out)


if __name__ == "__main__":
    main()
