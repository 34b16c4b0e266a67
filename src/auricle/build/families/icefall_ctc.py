"""CTC models from icefall: Kaldi fbank, zipformer, log-probabilities at 25 Hz, any tokens."""

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import (
    choose_file,
    choose_graph,
    list_files,
)
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.tokens import read_tokens
from auricle.build.export.adapt import Recipe
from auricle.build.export.encoder import build_encoder
from auricle.build.export.heads import NUM_TOP, CtcHead
from auricle.build.export.heard import heard_by
from auricle.build.export.measure import output_size
from auricle.build.export.precision import at_precision
from auricle.build.export.reference import load_waveforms
from auricle.build.export.roles import read_graph
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.families._facts import state_facts
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.build.upstream.icefall import Icefall


def choose(names: list[str], options: Options) -> list[str]:
    """The graph and the tokens."""
    graph = choose_graph(names, "*.onnx", options.precision, streaming=options.streaming)
    return [graph, choose_file(names, "tokens.txt")]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    graph_path, tokens_path = (checkpoint.folder / name for name in names)
    graph = read_graph(graph_path, "ctc", "streaming_ctc")
    vocab_size = output_size(graph)
    tokens = read_tokens(tokens_path).cut(vocab_size, tokens_path.name)
    fbank = FbankOptions(num_mel_bins=graph.inputs[0].size)
    head = CtcHead(min(NUM_TOP, vocab_size), tokens.blank_id)
    waveforms = load_waveforms(options.parity_audio, fbank.sample_rate)
    recipe = Recipe(Frontend(fbank), head)
    reduced = at_precision(graph, options.arithmetic, heard_by(graph, recipe, waveforms))
    served = build_encoder(reduced, recipe, waveforms)
    source = checkpoint.source(names)
    return Built(
        spec=state_facts("icefall_ctc", "ctc", ("encoder",), served, tokens, source),
        graphs={"encoder": served.model},
        tokens=str(tokens),
        joiner_dim=0,
        vocab_size=vocab_size,
        report=(served.seen, tokens.describe(), *served.report),
    )


FAMILY = Family(
    source=HuggingFace("csukuangfj/sherpa-onnx-zipformer-ctc-en-2023-10-02"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 39.0), batch=(1, 8, 64)),
    exporter=Icefall("export-onnx-ctc.py", "export-onnx-streaming-ctc.py"),
    streaming_source=HuggingFace(
        "k2-fsa/sherpa-onnx-streaming-zipformer-ctc-multi-zh-hans-2023-12-13"
    ),
)
