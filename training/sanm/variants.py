"""Random weights of the other published kinds of Paraformer: their interface is what tests need.

bicif has timestamps, contextual has hotwords, seaco has both. FunASR's exporter traces hotwords of
512 dimensions; these models have fewer, so its example inputs are replaced.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import funasr.models.contextual_paraformer.decoder
import funasr.models.contextual_paraformer.model
import funasr.models.seaco_paraformer.model  # noqa: F401  registers classes, as the two above
import numpy as np
import torch
from torch import Tensor, nn

from training.features import LFR_WINDOW, NUM_MEL_BINS
from training.sanm.dataset import Cmvn
from training.sanm.export import write_cmvn, write_config, write_onnx
from training.sanm.models import PARAFORMER, Values, build
from training.sanm.tokens import Cuts, Pieces

DIM = 32
SIZES: Mapping[str, Values] = {
    "encoder_conf": {"output_size": DIM, "linear_units": DIM, "num_blocks": 2},
    "decoder_conf": {"linear_units": DIM},
    "predictor_conf": {"idim": DIM},
}
UPSAMPLED: Values = {
    "smooth_factor2": 0.25,
    "noise_threshold2": 0.01,
    "upsample_times": 3,
    "use_cif1_cnn": False,
    "upsample_type": "cnn_blstm",
}


def _small() -> Values:
    config = dict(PARAFORMER)
    for name, sizes in SIZES.items():
        config[name] = config[name] | sizes
    return config


def _timed(config: Values) -> Values:
    """With a predictor of three peaks a frame, for timestamps."""
    predictor = config["predictor_conf"] | UPSAMPLED
    return config | {"predictor": "CifPredictorV3", "predictor_conf": predictor}


def bicif() -> Values:
    return _timed(_small()) | {"model": "BiCifParaformer"}


def contextual() -> Values:
    config = _small()
    model_conf = config["model_conf"] | {"inner_dim": DIM, "bias_encoder_type": "lstm"}
    names = {"model": "ContextualParaformer", "decoder": "ContextualParaformerDecoder"}
    return config | names | {"model_conf": model_conf}


def seaco() -> Values:
    config = _timed(_small())
    hotwords = {"inner_dim": DIM, "bias_encoder_type": "lstm", "bias_encoder_bid": False}
    headless = {"wo_input_layer": True, "use_output_layer": False}
    decoder = config["decoder_conf"] | {"num_blocks": 6, "att_layer_num": 6} | headless
    return config | {
        "model": "SeacoParaformer",
        "model_conf": config["model_conf"] | hotwords,
        "seaco_decoder": "ParaformerSANMDecoder",
        "seaco_decoder_conf": decoder,
    }


KINDS = {"bicif": bicif, "contextual": contextual, "seaco": seaco}


def _examples() -> tuple[Tensor, Tensor, Tensor]:
    """One hotword, as FunASR's: the trace freezes a mask as wide, which broadcasts only from 1."""
    lens = torch.tensor([15, 30], dtype=torch.int32)
    return torch.randn(2, 30, LFR_WINDOW * NUM_MEL_BINS), lens, torch.randn(2, 1, DIM)


def _with_our_examples(model: nn.Module) -> nn.Module:
    """Its export() hands back the main model, then the hotwords' embedder."""
    rebuild = model.export

    def export(**kwargs: object) -> tuple[nn.Module, nn.Module]:
        main, embedder = rebuild(**kwargs)
        main.export_dummy_inputs = _examples
        return main, embedder

    model.export = export
    return model


def write(kind: str, bpe: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    config = KINDS[kind]()
    tokens = Cuts(Pieces.load(bpe).bpe).tokens
    model = build(config, len(tokens)).eval()
    model = model if kind == "bicif" else _with_our_examples(model)
    write_onnx(model, config, out, quantize=False)
    size = LFR_WINDOW * NUM_MEL_BINS
    write_cmvn(Cmvn(np.full(size, -13, np.float32), np.full(size, 0.3, np.float32)), out / "am.mvn")
    write_config(config, out / "config.yaml")
    listed = json.dumps(tokens, ensure_ascii=False, indent=0)
    (out / "tokens.json").write_text(listed + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bpe", type=Path, help="bpe.model of training.sanm.tokens")
    parser.add_argument("out", type=Path, help="gets bicif/, contextual/ and seaco/")
    args = parser.parse_args()
    for kind in KINDS:
        write(kind, args.bpe, args.out / kind)


if __name__ == "__main__":
    main()
