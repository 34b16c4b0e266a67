"""CTC models from icefall: Kaldi fbank, zipformer, log-probabilities at 25 Hz, any tokens."""

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import choose_file, choose_graph, list_files, sha256
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.tokens import read_tokens
from auricle.build.export.adapt import CtcHead
from auricle.build.export.encoder import build_encoder
from auricle.build.export.graph import read_graph, require
from auricle.build.export.parity import TOLERANCE, load_waveforms
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.spec import PipelineSpec, Source

NUM_TOP = 20  # log-probabilities per frame that leave the graph


def choose(names: list[str], options: Options) -> list[str]:
    """The files that are needed, of all that a checkpoint holds."""
    return [choose_graph(names, "*.onnx", options.precision), choose_file(names, "tokens.txt")]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    graph_name, tokens_name = names
    graph = read_graph(checkpoint.folder / graph_name)
    require(graph, "ctc")
    tokens = read_tokens(checkpoint.folder / tokens_name)
    dim = graph.outputs[0].shape[-1]
    vocab_size = dim if isinstance(dim, int) else len(tokens.symbols)
    tokens.require_ids(vocab_size)
    fbank = FbankOptions()
    head = CtcHead(min(NUM_TOP, vocab_size), tokens.blank_id)
    waveforms = load_waveforms(options.parity_audio, fbank.sample_rate)
    built = build_encoder(graph, fbank, head, waveforms, TOLERANCE[options.precision])
    spec = PipelineSpec(
        family="icefall_ctc",
        head="ctc",
        sample_rate=fbank.sample_rate,
        seconds_per_frame=built.seconds_per_frame,
        graphs={"encoder": "encoder.onnx"},
        tokens="tokens.txt",
        token_kind=tokens.kind,
        blank_id=tokens.blank_id,
        unk_id=tokens.unk_id,
        context_size=0,
        max_seconds=built.max_seconds,
        source=Source(
            checkpoint.location,
            checkpoint.revision,
            {name: sha256(checkpoint.folder / name) for name in names},
        ),
    )
    return Built(
        spec=spec,
        graphs={"encoder": built.model},
        tokens=(checkpoint.folder / tokens_name).read_text(encoding="utf-8"),
        joiner_dim=0,
        vocab_size=vocab_size,
        report=(
            graph.describe(),
            f"tokens    {vocab_size}, {tokens.kind}, blank {tokens.blank_id}",
            *built.report,
        ),
    )


FAMILY = Family(
    source=HuggingFace("csukuangfj/sherpa-onnx-zipformer-ctc-en-2023-10-02"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 39.0), batch=(1, 8, 64)),
)
