"""What NeMo's families share: the files beside a graph, the features it takes, its tokens."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from auricle.build.checkpoint.files import matching
from auricle.build.checkpoint.tokens import BLANKS, TokenTable, read_tokens
from auricle.build.checkpoint.yaml_files import Value, read_yaml
from auricle.build.export.graph import Graph
from auricle.build.export.nemo.published import channels
from auricle.build.export.nemo.streaming import SHIFT
from auricle.build.families import Options
from auricle.build.frontend.nemo_mel import FFT_SIZE, PREEMPHASIS, Edges, NemoMel
from auricle.errors import CheckpointError

SETTINGS = "model_config.yaml"  # of a .nemo archive; exports need not have it
TOKENS = ("tokens.txt", "vocab.txt")  # as sherpa-onnx and onnx-asr call them
ZEROS_SINCE = (2, 5)  # https://github.com/NVIDIA-NeMo/NeMo/pull/13827
NORMALISATIONS = {"per_feature": True, "NA": False, "None": False, "none": False, "": False}
MAX_BYTES = 2**31 - 2**20  # room for the nodes
EXPECTED: dict[str, tuple[Value, ...]] = {
    "sample_rate": (16000,),
    "window_size": (0.025,),
    "window_stride": (0.01,),
    "window": ("hann",),
    "n_fft": (FFT_SIZE,),
    "preemph": (PREEMPHASIS,),
    "frame_splicing": (1,),
}


def choose_beside(names: Iterable[str], graphs: Iterable[str]) -> list[str]:
    """Weights that a graph keeps outside, and the settings, where there are any."""
    names = list(names)
    stems = {graph.removesuffix(".onnx") for graph in graphs}
    outside = {f"{stem}{suffix}" for stem in stems for suffix in (".data", ".onnx.data", ".weights",
                                                                 ".onnx_data")}  # fmt: skip
    return [*sorted(outside.intersection(names)), *matching(names, SETTINGS)[:1]]


def read_settings(folder: Path, names: Iterable[str]) -> dict[str, Value]:
    """Of model_config.yaml; none where it was not published."""
    found = [name for name in names if PurePosixPath(name).name == SETTINGS]
    return read_yaml(folder / found[0]) if found else {}


def read_frontend(graph: Graph, settings: dict[str, Value], options: Options) -> NemoMel:
    """The features of a published encoder; CheckpointError for those that are no features here.

    What neither the settings nor the metadata say is as NeMo trains by default, and in streams
    nothing is normalised.
    """
    _check_size(graph)
    if graph.metadata.get("is_giga_am", "0") not in ("", "0"):
        raise CheckpointError(f"{graph.path.name} is of GigaAM, whose features are not NeMo's")
    for name, known in EXPECTED.items():
        value = settings.get(f"preprocessor.{name}", known[0])
        if value not in known:
            raise CheckpointError(
                f"{SETTINGS} has preprocessor.{name} {value!r}; known: {', '.join(map(str, known))}"
            )
    return NemoMel(
        channels(graph.inputs[0]), _edges(graph, settings, options), _normalizes(graph, settings)
    )


def _check_size(graph: Graph) -> None:
    """Protobuf's bound of one file, which is what is served."""
    size = sum(len(tensor.raw_data) for tensor in graph.model.graph.initializer)
    if size >= MAX_BYTES:
        raise CheckpointError(
            f"{graph.path.name} has {size / 2**30:.1f} GiB of weights, but one ONNX file holds "
            "2 GiB: build the checkpoint's int8 or fp16 graphs, with --precision"
        )


def _normalizes(graph: Graph, settings: dict[str, Value]) -> bool:
    """Over an utterance; CheckpointError where that is asked of a stream."""
    is_stream = SHIFT in graph.metadata
    default = "NA" if is_stream else "per_feature"
    stated = str(
        settings.get("preprocessor.normalize", graph.metadata.get("normalize_type", default))
    )
    if stated not in NORMALISATIONS:
        raise CheckpointError(
            f"the checkpoint normalises its features by {stated!r}; known: per_feature, NA"
        )
    if is_stream and NORMALISATIONS[stated]:
        raise CheckpointError(
            f"{graph.path.name} is for streams, but its features are normalised over whole "
            "utterances ('per_feature'), which a stream never is; take a checkpoint that was "
            "trained with normalize: NA"
        )
    return NORMALISATIONS[stated]


def _edges(graph: Graph, settings: dict[str, Value], options: Options) -> Edges:
    """As asked for, or as the NeMo that trained the checkpoint; before a stream, zeros."""
    if SHIFT in graph.metadata:
        return "zeros"
    if options.feature_edges:
        return options.feature_edges
    version = re.match(r"(\d+)\.(\d+)", str(settings.get("nemo_version", "")))
    if version is None:
        return "zeros"
    return "zeros" if (int(version[1]), int(version[2])) >= ZEROS_SINCE else "reflect"


def read_table(path: Path, vocab_size: int | None = None) -> TokenTable:
    """The tokens of a network of so many outputs, the last of which is blank; <unk> is a token.

    vocab_size: where only the table says it, None.
    """
    table = replace(read_tokens(path), unk_id=None)
    size = vocab_size or len(table.symbols)
    table = table.cut(size, path.name)
    if table.symbols[-1] not in BLANKS:
        raise CheckpointError(
            f"{path} ends in {table.symbols[-1]!r}, expected <blk>, which NeMo's networks have "
            "behind all tokens"
        )
    return replace(table, blank_id=size - 1)
