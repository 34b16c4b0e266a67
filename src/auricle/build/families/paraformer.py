"""Paraformer from FunASR: stacked features, all tokens at once; times and hotwords where it can.

Plain, BiCif (times), contextual (hotwords), SeACo (both), and online:
https://github.com/modelscope/FunASR/tree/main/funasr/models, export_meta.py of each.
"""

from dataclasses import replace

import onnx

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import (
    choose_file,
    choose_graph,
    list_files,
    matching,
)
from auricle.build.checkpoint.funasr import read_token_list
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.tokens import TokenTable
from auricle.build.checkpoint.yaml_files import count, read_yaml
from auricle.build.export import cif
from auricle.build.export.adapt import Recipe, SideInput
from auricle.build.export.embedder import adapt_embedder, embed
from auricle.build.export.encoder import build_encoder
from auricle.build.export.graph import Graph
from auricle.build.export.heads import CifHead
from auricle.build.export.heard import heard_by
from auricle.build.export.measure import output_size
from auricle.build.export.precision import at_precision
from auricle.build.export.reference import load_waveforms
from auricle.build.export.roles import read_graph
from auricle.build.families import Built, Family, Options, Profile, _paraformer_online
from auricle.build.families._facts import state_facts
from auricle.build.families._funasr import choose_settings, read_frontend
from auricle.build.upstream.funasr import FunAsr
from auricle.errors import CheckpointError
from auricle.spec import Hotwords

ROLES = ("encoder", "hotword_embedder")
EMBEDDER = "model_eb.onnx"
NUM_OUTPUTS_WITH_PEAKS = 4  # logits, token_num, us_alphas, us_cif_peak
EXAMPLES = ((3, 4), (5, 6, 7))  # two hotwords, for the parity check


def choose(names: list[str], options: Options) -> list[str]:
    """The graph, its settings and tokens, and the hotword embedder where there is one."""
    if _paraformer_online.is_online(names):
        return _paraformer_online.choose(names, options)
    embedders = matching(names, EMBEDDER)
    others = [name for name in names if "model_eb" not in name]
    graph = choose_graph(others, "model*.onnx", options.precision)
    return [graph, *choose_settings(names), choose_file(names, "tokens.json"), *embedders]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    if _paraformer_online.is_online(list_files(checkpoint.folder)):
        return _paraformer_online.build(checkpoint, options)
    names = choose(list_files(checkpoint.folder), options)
    paths = [checkpoint.folder / name for name in names]
    graph = read_graph(paths[0], "paraformer")
    settings = read_yaml(paths[2])
    vocab_size = output_size(graph)
    tokens = read_token_list(paths[3]).cut(vocab_size, paths[3].name)
    frontend = read_frontend(settings, paths[1], graph.inputs[0].size)
    embedders = [adapt_embedder(read_graph(path, "hotword_embedder")) for path in paths[4:]]
    side_inputs = _side_inputs(graph, embedders)
    head = CifHead(has_peaks=len(graph.outputs) == NUM_OUTPUTS_WITH_PEAKS)
    waveforms = load_waveforms(options.parity_audio, frontend.sample_rate)
    recipe = Recipe(frontend, head, side_inputs, _repair)
    reduced = at_precision(graph, options.arithmetic, heard_by(graph, recipe, waveforms))
    served = build_encoder(reduced, recipe, waveforms)
    graphs = dict(zip(ROLES, [served.model, *embedders], strict=False))
    facts = state_facts("paraformer", "cif", graphs, served, tokens, checkpoint.source(names))
    return Built(
        spec=replace(
            facts,
            has_timestamps=head.has_peaks,
            num_end_tokens=count(settings, "model_conf.predictor_bias", 0),
            hotwords=_hotwords(embedders, tokens, head),
        ),
        graphs=graphs,
        tokens=str(tokens),
        joiner_dim=0,
        vocab_size=vocab_size,
        report=(served.seen, tokens.describe(), *served.report),
    )


def _side_inputs(graph: Graph, embedders: list[onnx.ModelProto]) -> tuple[SideInput, ...]:
    """bias_embed, where the graph takes it; CheckpointError where nothing would fill it."""
    ports = graph.inputs[2:]
    if bool(ports) != bool(embedders):
        found = "takes hotwords" if ports else "takes no hotwords"
        raise CheckpointError(
            f"{graph.path.name} {found}, but the checkpoint has {len(embedders)} {EMBEDDER}; "
            "contextual and SeACo Paraformer need both files of one export"
        )
    return tuple(
        SideInput("BIAS_EMBED", port, embed(embedder, EXAMPLES))
        for port, embedder in zip(ports, embedders, strict=True)
    )


def _hotwords(
    embedders: list[onnx.ModelProto], tokens: TokenTable, head: CifHead
) -> Hotwords | None:
    """SeACo, which has peaks, sorts a batch's hotwords by its first row: it gets rows alone."""
    for embedder in embedders:
        max_tokens = embedder.graph.input[0].type.tensor_type.shape.dim[1].dim_value
        return Hotwords(max_tokens, tokens.find("<s>", default=1), runs_alone=head.has_peaks)
    return None


def _repair(graph: Graph, model: onnx.GraphProto) -> None:
    cif.repair(model, graph.inputs[1].name, graph.outputs[1].name)


FAMILY = Family(
    source=None,
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 60.0), batch=(1, 8, 64)),
    exporter=FunAsr(
        HuggingFace("funasr/paraformer-zh"), HuggingFace("funasr/paraformer-zh-streaming")
    ),
    streaming_source=HuggingFace("csukuangfj/sherpa-onnx-streaming-paraformer-bilingual-zh-en"),
)
