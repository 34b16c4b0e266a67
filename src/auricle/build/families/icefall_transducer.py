"""Transducers from icefall: Kaldi fbank, zipformer or conformer, stateless decoder, any tokens."""

from dataclasses import replace

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import (
    choose_file,
    choose_graph,
    list_files,
)
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.tokens import read_tokens
from auricle.build.export.adapt import Recipe, adapt_decoder, adapt_joiner
from auricle.build.export.encoder import build_encoder
from auricle.build.export.graph import Graph
from auricle.build.export.heads import PlainHead
from auricle.build.export.heard import heard_by
from auricle.build.export.measure import output_size
from auricle.build.export.precision import at_precision
from auricle.build.export.reference import load_waveforms
from auricle.build.export.roles import Role, read_graph
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.families._facts import state_facts
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.build.upstream.icefall import Icefall
from auricle.errors import CheckpointError

ROLES = ("encoder", "decoder", "joiner")
PLAYED_BY: tuple[tuple[Role, ...], ...] = (
    ("encoder", "streaming_encoder"), ("decoder",), ("joiner",)
)  # fmt: skip


def choose(names: list[str], options: Options) -> list[str]:
    """The graphs in the order of ROLES, and the tokens."""
    graphs = [
        choose_graph(names, f"{role}*.onnx", options.precision, streaming=options.streaming)
        for role in ROLES
    ]
    return [*graphs, choose_file(names, "tokens.txt")]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    paths = [checkpoint.folder / name for name in names]
    graphs = [read_graph(path, *roles) for path, roles in zip(paths, PLAYED_BY, strict=False)]
    encoder, decoder, joiner = graphs
    check_sizes(encoder, decoder, joiner)
    vocab_size = output_size(joiner)
    tokens = read_tokens(paths[-1]).cut(vocab_size, paths[-1].name)
    fbank = FbankOptions(num_mel_bins=encoder.inputs[0].size)
    waveforms = load_waveforms(options.parity_audio, fbank.sample_rate)
    recipe = Recipe(Frontend(fbank), PlainHead())
    reduced = at_precision(encoder, options.arithmetic, heard_by(encoder, recipe, waveforms))
    served = build_encoder(reduced, recipe, waveforms)
    context_size = decoder.inputs[0].size
    source = checkpoint.source(names)
    facts = state_facts("icefall_transducer", "transducer", ROLES, served, tokens, source)
    return Built(
        spec=replace(facts, context_size=context_size),
        graphs={
            "encoder": served.model,
            "decoder": adapt_decoder(decoder, context_size),
            "joiner": adapt_joiner(joiner),
        },
        tokens=str(tokens),
        joiner_dim=joiner.inputs[0].size,
        vocab_size=vocab_size,
        report=(
            served.seen,
            decoder.describe(),
            joiner.describe(),
            tokens.describe(),
            *served.report,
        ),
    )


def check_sizes(encoder: Graph, decoder: Graph, joiner: Graph) -> None:
    """CheckpointError unless the three fit together."""
    made = [output_size(graph) for graph in (encoder, decoder)]
    taken = [port.size for port in joiner.inputs]
    if made != taken:
        raise CheckpointError(
            f"encoder and decoder give {made} values a frame, but the joiner takes {taken}; are "
            f"{encoder.path.name}, {decoder.path.name} and {joiner.path.name} of one checkpoint?"
        )


FAMILY = Family(
    source=HuggingFace("csukuangfj/sherpa-onnx-zipformer-en-2023-06-26"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 39.0), batch=(1, 8, 64)),
    exporter=Icefall("export-onnx.py", "export-onnx-streaming.py"),
    streaming_source=HuggingFace("csukuangfj/sherpa-onnx-streaming-zipformer-en-2023-06-26"),
)
