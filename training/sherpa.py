"""Siblings for sherpa-onnx of the folders that WeNet and FunASR publish: the same weights.

sherpa-onnx wants metadata that upstream does not write, and of WeNet a graph of its own: features
and int64 lengths in, log-probabilities and int64 lengths out.
"""

import argparse
import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper

AUTHOR = "auricle"
LFR = {"lfr_window_size": "7", "lfr_window_shift": "6"}
QUERIES = {
    "lang_auto": "0",
    "lang_zh": "3",
    "lang_en": "4",
    "lang_yue": "7",
    "lang_ja": "11",
    "lang_ko": "12",
    "lang_nospeech": "13",
    "with_itn": "14",
    "without_itn": "15",
}


def wenet(folder: Path, out: Path) -> None:
    proto = onnx.load(str(folder / "encoder.onnx"))
    graph = proto.graph
    lens = graph.input[1]
    shapes = {value.name: value for value in graph.output}
    num_tokens = shapes["ctc_log_probs"].type.tensor_type.shape.dim[2].dim_value
    casts = [
        helper.make_node("Cast", ["x_lens"], [lens.name], to=TensorProto.INT32),
        helper.make_node("Cast", ["encoder_out_lens"], ["log_probs_lens"], to=TensorProto.INT64),
    ]
    nodes = [casts[0], *graph.node, casts[1]]
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    lens.CopyFrom(helper.make_tensor_value_info("x_lens", TensorProto.INT64, ["B"]))
    log_probs = shapes["ctc_log_probs"]
    out_lens = helper.make_tensor_value_info("log_probs_lens", TensorProto.INT64, ["B"])
    graph.output.extend([log_probs, out_lens])
    metadata = {
        "model_type": "wenet_ctc",
        "comment": "non-streaming",
        "subsampling_factor": "4",
        "vocab_size": str(num_tokens),
        "url": "",
    }
    _write(proto, metadata, (folder / "units.txt").read_text(encoding="utf-8"), out)


def paraformer(folder: Path, out: Path) -> None:
    _write_funasr(folder, {"model_type": "paraformer"}, out)


def sense_voice(folder: Path, out: Path) -> None:
    described = {"model_type": "sense_voice_ctc", "normalize_samples": "0"}
    _write_funasr(folder, described | QUERIES, out)


def online_paraformer(folder: Path, out: Path) -> None:
    """encoder.onnx, which says what the decoder needs, too, decoder.onnx and tokens.txt."""
    decoder = onnx.load(str(folder / "decoder.onnx"))
    *_, cache = decoder.graph.input
    dim, length = (each.dim_value for each in cache.type.tensor_type.shape.dim[1:])
    described = {
        "model_type": "paraformer",
        "encoder_output_size": str(dim),
        "decoder_kernel_size": str(length + 1),
        "decoder_num_blocks": str(len(decoder.graph.input) - 4),
    }
    _write_funasr(folder, described, out, "encoder.onnx")
    onnx.save(decoder, str(out / "decoder.onnx"))


def _write_funasr(
    folder: Path, metadata: dict[str, str], out: Path, name: str = "model.onnx"
) -> None:
    tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    vectors = [
        ",".join(line.split("[")[1].strip(" ]").split())
        for line in (folder / "am.mvn").read_text(encoding="utf-8").splitlines()
        if line.startswith("<LearnRateCoef>")
    ]
    cmvn = dict(zip(("neg_mean", "inv_stddev"), vectors, strict=True))
    described = metadata | LFR | cmvn | {"vocab_size": str(len(tokens)), "comment": "demo"}
    lines = "".join(f"{token} {index}\n" for index, token in enumerate(tokens))
    _write(onnx.load(str(folder / "model.onnx")), described, lines, out, name)


def _write(
    proto: onnx.ModelProto,
    metadata: dict[str, str],
    tokens: str,
    out: Path,
    name: str = "model.onnx",
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    helper.set_model_props(proto, metadata | {"version": "1", "model_author": AUTHOR})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(out / name))
    (out / "tokens.txt").write_text(tokens, encoding="utf-8")


WRITERS = {
    "wenet-u2": wenet,
    "paraformer": paraformer,
    "paraformer-online": online_paraformer,
    "sense-voice": sense_voice,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(WRITERS))
    parser.add_argument("folder", type=Path, help="as it is published")
    parser.add_argument("out", type=Path, help="gets the graphs and tokens.txt")
    args = parser.parse_args()
    WRITERS[args.family](args.folder, args.out)


if __name__ == "__main__":
    main()
