"""Write the checkpoint as WeNet's export_onnx_gpu.py writes u2++, with the files of its training.

The encoder takes Kaldi's features of samples in 16-bit range and normalises them in the graph by
global_cmvn; that is measured here on such features, because the checkpoint's own statistics are of
samples in [-1, 1] and of a filterbank that ends 400 Hz earlier. Its weights are icefall training's
as they are: its mel shifts are larger than this difference, and error rates are the same.
"""

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from training.export import write_graph
from training.features import (
    FRAME_LENGTH_MS,
    FRAME_SHIFT_MS,
    NUM_MEL_BINS,
    SAMPLE_RATE_HZ,
    Statistics,
)
from training.heads import SOS_EOS
from training.model import Recognizer, load
from training.tokens import load_bpe
from training.wenet_graphs import BEAM, CTC_WEIGHT, REVERSE_WEIGHT, decoder_graph, encoder_graph

UNK = 2
WENET_UNK, WENET_SOS_EOS = 1, 2  # the other way round than icefall


def global_cmvn(statistics: Statistics) -> str:
    facts = {
        "mean_stat": statistics.mean_stat.tolist(),
        "var_stat": statistics.var_stat.tolist(),
        "frame_num": statistics.frame_num,
    }
    return json.dumps(facts)


def adapt(model: Recognizer, statistics: Statistics) -> Recognizer:
    """A copy with WeNet's normalisation and token ids."""
    model = copy.deepcopy(model).eval()
    model.encoder.mean.copy_(torch.from_numpy(statistics.mean))
    model.encoder.inverse_std.copy_(torch.from_numpy(statistics.inverse_std))
    order = torch.arange(model.config.vocab_size)
    order[WENET_UNK], order[WENET_SOS_EOS] = UNK, SOS_EOS
    _reorder(model.ctc, order)
    for decoder in (model.left_to_right, model.right_to_left):
        _reorder(decoder.out, order)
        decoder.embedding.weight.data = decoder.embedding.weight.data[order]
    return model


def _reorder(layer: nn.Linear, order: Tensor) -> None:
    layer.weight.data = layer.weight.data[order]
    layer.bias.data = layer.bias.data[order]


def write_units(path: Path, bpe: Path) -> None:
    pieces = load_bpe(bpe)
    names = [pieces.id_to_piece(index) for index in range(pieces.get_piece_size())]
    names[:3] = ["<blank>", "<unk>", "<sos/eos>"]
    lines = [f"{name} {index}\n" for index, name in enumerate(names)]
    path.write_text("".join(lines), encoding="utf-8")


def train_config(model: Recognizer) -> dict[str, object]:
    """What WeNet's train.yaml says of such a model; "conformer" is its nearest name for ours."""
    config, encoder = model.config, model.config.encoder
    special = {"<blank>": 0, "<unk>": WENET_UNK, "<sos>": WENET_SOS_EOS, "<eos>": WENET_SOS_EOS}
    return {
        "input_dim": NUM_MEL_BINS,
        "output_dim": config.vocab_size,
        "cmvn": "global_cmvn",
        "cmvn_conf": {"cmvn_file": "global_cmvn", "is_json_cmvn": True},
        "tokenizer": "bpe",
        "tokenizer_conf": {
            "bpe_path": "bpe.model",
            "symbol_table_path": "units.txt",
            "split_with_space": False,
            "is_multilingual": False,
            "num_languages": 1,
            "special_tokens": special,
        },
        "model": "asr_model",
        "model_conf": {
            "ctc_weight": CTC_WEIGHT,
            "reverse_weight": REVERSE_WEIGHT,
            "length_normalized_loss": False,
            "lsm_weight": 0.1,
        },
        "ctc": "ctc",
        "ctc_conf": {"ctc_blank_id": 0},
        "encoder": "conformer",
        "encoder_conf": {
            "input_layer": "conv2d",
            "output_size": encoder.dim,
            "attention_heads": encoder.num_heads,
            "linear_units": encoder.feedforward_dim,
            "num_blocks": encoder.num_layers,
            "cnn_module_kernel": encoder.kernel_size,
            "causal": True,
            "use_dynamic_chunk": True,
        },
        "decoder": "bitransformer",
        "decoder_conf": {
            "attention_heads": encoder.num_heads,
            "linear_units": 2 * config.dim,
            "num_blocks": config.left_to_right_layers,
            "r_num_blocks": config.right_to_left_layers,
        },
        "dataset": "asr",
        "dataset_conf": {
            "fbank_conf": {
                "num_mel_bins": NUM_MEL_BINS,
                "frame_shift": FRAME_SHIFT_MS,
                "frame_length": FRAME_LENGTH_MS,
                "dither": 0.0,
            },
            "resample_conf": {"resample_rate": SAMPLE_RATE_HZ},
        },
    }


def exporter_config() -> dict[str, object]:
    """config.yaml, which export_onnx_gpu.py leaves beside its graphs."""
    return {
        "beam_size": BEAM,
        "reverse_weight": REVERSE_WEIGHT,
        "ctc_weight": CTC_WEIGHT,
        "fp16": False,
    }


def export(model: Recognizer, statistics: Statistics, bpe: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    adapted = adapt(model, statistics)
    write_graph(encoder_graph(adapted), folder / "encoder.onnx")
    write_graph(decoder_graph(adapted), folder / "decoder.onnx")
    write_units(folder / "units.txt", bpe)
    (folder / "global_cmvn").write_text(global_cmvn(statistics) + "\n", encoding="utf-8")
    for name, values in (("train", train_config(model)), ("config", exporter_config())):
        text = yaml.safe_dump(values, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bpe", type=Path, help="bpe.model of the checkpoint")
    parser.add_argument("features", type=Path, help="of training.synthesize --fbank wenet")
    parser.add_argument("out", type=Path, help="the folder as WeNet's users publish it")
    args = parser.parse_args()
    model, _ = load(args.checkpoint)
    statistics = Statistics.of(np.load(args.features)["features"])
    export(model, statistics, args.bpe, args.out)


if __name__ == "__main__":
    main()
