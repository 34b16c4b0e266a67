"""wav2vec 2.0 of transformers with random weights and few channels, exported as optimum does.

optimum is not asked: it wants an older transformers. Its names and axes are those of
https://github.com/huggingface/optimum-onnx: input_values [batch_size, sequence_length], perhaps
attention_mask, logits; by torch.onnx.export(dynamo=False).
"""

import functools
import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Wav2Vec2ForCTC

LETTERS = "ETAONIHSRDLUMWCFGYPBVK'XJQZ"
VOCAB = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4}
VOCAB |= {letter: number for number, letter in enumerate(LETTERS, start=len(VOCAB))}
TOKENIZER = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
             "do_lower_case": False, "word_delimiter_token": "|"}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """norm: feat_extract_norm.  takes_mask: whether the export has an attention_mask.

    attention: how the exporter's transformers writes it; old ones knew only "eager".
    """

    norm: str
    takes_mask: bool = False
    attention: str = "sdpa"
    opset: int = 14
    vocab_size: int = len(VOCAB)


@functools.cache
def make_model(kind: Kind) -> "Wav2Vec2ForCTC":
    """Its random letters change with what it hears: of each, the mean score is taken away."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=kind.vocab_size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, conv_dim=(32,) * 7, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4, feat_extract_norm=kind.norm,
        conv_bias=kind.norm == "layer", do_stable_layer_norm=kind.norm == "layer",
        initializer_range=0.3, attn_implementation=kind.attention,
    )  # fmt: skip
    model = Wav2Vec2ForCTC(config).eval()
    with torch.no_grad():
        rising = torch.randn(1, 32000) * torch.linspace(0, 3, 32000)
        model.lm_head.bias -= model(rising).logits.mean((0, 1))
    return model


@functools.cache
def export(kind: Kind) -> bytes:
    import torch

    class Logits(torch.nn.Module):  # type: ignore[misc]  # of torch, which is not typed here
        def __init__(self) -> None:
            super().__init__()
            self.model = make_model(kind)

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return self.model(*inputs).logits

    names = ["input_values", "attention_mask"][: 1 + kind.takes_mask]
    inputs = (torch.randn(2, 16000), torch.ones(2, 16000, dtype=torch.int64))[: len(names)]
    axes = {0: "batch_size", 1: "sequence_length"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            Logits().eval(), inputs, str(path), input_names=names,
            output_names=["logits"], dynamic_axes=dict.fromkeys([*names, "logits"], axes),
            opset_version=kind.opset, dynamo=False,
        )  # fmt: skip
        return path.read_bytes()


def write(folder: Path, kind: Kind) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(export(kind))
    preprocessor = {
        "do_normalize": True,
        "feature_size": 1,
        "padding_value": 0.0,
        "return_attention_mask": kind.norm == "layer",
        "sampling_rate": 16000,
    }
    files = {"vocab": VOCAB, "tokenizer_config": TOKENIZER, "preprocessor_config": preprocessor}
    for name, record in files.items():
        (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    return folder
