"""The online Paraformer: encoder and decoder as FunASR exports them, or as sherpa-onnx takes them.

https://github.com/modelscope/FunASR/blob/main/funasr/models/paraformer_streaming/export_meta.py
"""

from pathlib import Path

import numpy as np

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import (
    choose_file,
    choose_graph,
    list_files,
    matching,
)
from auricle.build.checkpoint.funasr import read_token_list
from auricle.build.checkpoint.tokens import TokenTable, read_tokens
from auricle.build.checkpoint.yaml_files import Value, read_yaml
from auricle.build.export.graph import Graph
from auricle.build.export.online.encoder import build_online_encoder
from auricle.build.export.online.published import Published
from auricle.build.export.precision import at_precision
from auricle.build.export.reference import load_waveforms
from auricle.build.export.roles import read_graph
from auricle.build.families import Built, Options
from auricle.build.families._facts import state_facts
from auricle.build.families._funasr import choose_settings, make_frontend, read_frontend
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.lfr import Cmvn
from auricle.errors import CheckpointError

DECODER = "decoder*.onnx"
NEG_MEAN, INV_STDDEV = "neg_mean", "inv_stddev"  # sherpa-onnx's am.mvn, in the graph
TAIL_THRESHOLD = 0.45  # FunASR's, where no config.yaml says another


def is_online(names: list[str]) -> bool:
    return bool(matching(names, DECODER))


def choose(names: list[str], options: Options) -> list[str]:
    """Encoder, decoder, tokens, and FunASR's settings; sherpa-onnx's are in the encoder."""
    encoders = "model*.onnx" if matching(names, "model*.onnx") else "encoder*.onnx"
    graphs = [choose_graph(names, pattern, options.precision) for pattern in (encoders, DECODER)]
    tokens = choose_file(names, "tokens.json", "tokens.txt")
    return [*graphs, tokens, *(choose_settings(names) if matching(names, "am.mvn") else [])]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    paths = [checkpoint.folder / name for name in names]
    encoder = read_graph(paths[0], "paraformer_online")
    decoder = read_graph(paths[1], "paraformer_online_decoder")
    vocab_size = decoder.outputs[0].size
    tokens = _read_tokens(paths[2]).cut(vocab_size, paths[2].name)
    settings = read_yaml(paths[4]) if paths[3:] else {}
    frontend = _read_frontend(encoder, settings, paths[3:4])
    published = Published(
        at_precision(encoder, options.arithmetic),
        at_precision(decoder, options.arithmetic),
        frontend,
        _tail_threshold(settings),
    )
    served = build_online_encoder(
        published, load_waveforms(options.parity_audio, frontend.sample_rate)
    )
    source = checkpoint.source(names)
    return Built(
        spec=state_facts("paraformer", "cif", ("encoder",), served, tokens, source),
        graphs={"encoder": served.model},
        tokens=str(tokens),
        joiner_dim=0,
        vocab_size=vocab_size,
        report=(served.seen, tokens.describe(), *served.report),
    )


def _read_tokens(path: Path) -> TokenTable:
    return read_token_list(path) if path.suffix == ".json" else read_tokens(path)


def _read_frontend(encoder: Graph, settings: dict[str, Value], cmvn: list[Path]) -> Frontend:
    size = encoder.inputs[0].size
    for path in cmvn:
        return read_frontend(settings, path, size)
    vectors = [_read_vector(encoder, key, size) for key in (NEG_MEAN, INV_STDDEV)]
    return make_frontend({}, Cmvn(*vectors), size)


def _read_vector(
    encoder: Graph, key: str, size: int
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    text = encoder.metadata.get(key, "")
    try:
        vector = np.array(text.split(","), dtype=np.float64)
    except ValueError:
        vector = np.array([])
    if len(vector) != size or not np.isfinite(vector).all():
        raise CheckpointError(
            f"the checkpoint has no am.mvn, and {encoder.path.name} no {key} of {size} numbers in "
            "its metadata: nothing says how its features are normalised; add the am.mvn"
        )
    return vector


def _tail_threshold(settings: dict[str, Value]) -> float:
    value = settings.get("predictor_conf.tail_threshold", TAIL_THRESHOLD)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise CheckpointError(
            f"config.yaml's predictor_conf.tail_threshold is {value!r}, expected 0 to 1"
        )
    return float(value)
