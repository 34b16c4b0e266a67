"""Transducers from icefall: Kaldi fbank, zipformer or conformer, stateless decoder, any tokens."""

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import choose_file, choose_graph, list_files, sha256
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.tokens import read_tokens
from auricle.build.export.adapt import adapt_decoder, adapt_joiner
from auricle.build.export.encoder import build_encoder
from auricle.build.export.graph import Graph, read_graph, require
from auricle.build.export.parity import TOLERANCE, load_waveforms
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.errors import CheckpointError
from auricle.spec import PipelineSpec, Source

ROLES = ("encoder", "decoder", "joiner")


def choose(names: list[str], options: Options) -> list[str]:
    """The files that are needed, of all that a checkpoint holds."""
    graphs = [choose_graph(names, f"{role}*.onnx", options.precision) for role in ROLES]
    return [*graphs, choose_file(names, "tokens.txt")]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    *graph_names, tokens_name = names
    encoder, decoder, joiner = (read_graph(checkpoint.folder / name) for name in graph_names)
    require(encoder, "encoder")
    require(decoder, "decoder")
    require(joiner, "joiner")
    tokens = read_tokens(checkpoint.folder / tokens_name)
    joiner_dim, vocab_size = _last_dim(joiner.inputs[0].shape), _last_dim(joiner.outputs[0].shape)
    tokens.require_ids(vocab_size)
    fbank = FbankOptions()
    waveforms = load_waveforms(options.parity_audio, fbank.sample_rate)
    built = build_encoder(encoder, fbank, None, waveforms, TOLERANCE[options.precision])
    context_size = _context_size(decoder)
    spec = PipelineSpec(
        family="icefall_transducer",
        head="transducer",
        sample_rate=fbank.sample_rate,
        seconds_per_frame=built.seconds_per_frame,
        graphs={role: f"{role}.onnx" for role in ROLES},
        tokens="tokens.txt",
        token_kind=tokens.kind,
        blank_id=tokens.blank_id,
        unk_id=tokens.unk_id,
        context_size=context_size,
        max_seconds=built.max_seconds,
        source=Source(
            checkpoint.location,
            checkpoint.revision,
            {name: sha256(checkpoint.folder / name) for name in names},
        ),
    )
    return Built(
        spec=spec,
        graphs={
            "encoder": built.model,
            "decoder": adapt_decoder(decoder, context_size),
            "joiner": adapt_joiner(joiner),
        },
        tokens=(checkpoint.folder / tokens_name).read_text(encoding="utf-8"),
        joiner_dim=joiner_dim,
        vocab_size=vocab_size,
        report=(
            *(graph.describe() for graph in (encoder, decoder, joiner)),
            f"tokens    {vocab_size}, {tokens.kind}, blank {tokens.blank_id}",
            *built.report,
        ),
    )


def _context_size(decoder: Graph) -> int:
    """Tokens that the decoder looks at: from its metadata, else from its input."""
    declared = decoder.metadata.get("context_size", decoder.inputs[0].shape[-1])
    if declared is None or not str(declared).isdigit():
        raise CheckpointError(f"no context size in the decoder; seen:\n{decoder.describe()}")
    return int(declared)


def _last_dim(shape: tuple[int | str | None, ...]) -> int:
    dim = shape[-1]
    if not isinstance(dim, int):
        raise CheckpointError(f"the joiner does not state its size, only {shape}")
    return dim


FAMILY = Family(
    source=HuggingFace("k2-fsa/sherpa-onnx-zipformer-gigaspeech-2023-12-12"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 39.0), batch=(1, 8, 64)),
)
