"""Whisper: log-mel of 30 s, an encoder, and a decoder that writes byte-level BPE token by token.

Published by openai; as ONNX by optimum (two decoders, or one merged) and by sherpa-onnx.
https://github.com/huggingface/optimum-onnx, https://github.com/k2-fsa/sherpa-onnx/tree/master/scripts/whisper
"""

from pathlib import Path, PurePosixPath

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import (
    Precision,
    choose_file,
    choose_graph,
    list_files,
    matching,
)
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.json_files import Record, read_json
from auricle.build.checkpoint.tokens import TokenTable
from auricle.build.checkpoint.whisper import (
    read_generation,
    read_metadata,
    read_vocabulary,
)
from auricle.build.export.graph import Graph, load_graph
from auricle.build.export.precision import at_precision
from auricle.build.export.reference import load_waveforms
from auricle.build.export.whisper.decoder import adapt_decoder, describe
from auricle.build.export.whisper.encoder import (
    FRAMES_PER_OUTPUT,
    adapt_encoder,
    check_encoder,
    encode,
)
from auricle.build.export.whisper.parity import Models, check_parity
from auricle.build.export.whisper.published import read_decoder
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.frontend.whisper_mel import SAMPLE_RATE, SHIFT, WhisperMel
from auricle.build.upstream.optimum import Optimum
from auricle.errors import CheckpointError
from auricle.spec import Autoregressive, PipelineSpec, Source

# How optimum and those who quantise its exports mark a graph's precision, behind its name.
MARKS: dict[Precision, tuple[str, ...]] = {
    "fp32": ("",),
    "fp16": ("_fp16", ""),
    "bf16": ("_bf16", ""),
    "int8": ("_int8", "_quantized", ""),
}
GRAPHS = ("encoder", "cross_attention", "decoder")


def choose(names: list[str], options: Options) -> list[str]:
    """Encoder and decoders, then the vocabulary, then what transformers says of them."""
    if not matching(names, "encoder_model*.onnx"):
        graphs = [choose_graph(names, f"*{role}*.onnx", options.precision)
                  for role in ("encoder", "decoder")]  # fmt: skip
        prefix, _, _ = PurePosixPath(graphs[0]).name.rpartition("encoder")
        return [*graphs, choose_file(names, f"{prefix}tokens.txt", "*tokens.txt")]
    is_merged = bool(matching(names, "decoder_model_merged*.onnx"))
    decoders = (
        ["decoder_model_merged"] if is_merged else ["decoder_model", "decoder_with_past_model"]
    )
    graphs = [
        _choose_marked(names, stem, options.precision) for stem in ("encoder_model", *decoders)
    ]
    return [
        *graphs,
        choose_file(names, "tokenizer.json", "vocab.json"),
        choose_file(names, "config.json"),
        choose_file(names, "generation_config.json"),
    ]


def _choose_marked(names: list[str], stem: str, precision: Precision) -> str:
    """A plain graph stands in for what can be made of it."""
    marks = MARKS[precision]
    found = next((mark for mark in marks if matching(names, f"{stem}{mark}.onnx")), "")
    return choose_file(names, f"{stem}{found}.onnx")


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    paths = [checkpoint.folder / name for name in names]
    graphs = [path for path in paths if path.suffix == ".onnx"]
    vocabulary, *settings = paths[len(graphs) :]
    encoder = load_graph(graphs[0])
    check_encoder(encoder)
    config = read_json(settings[0]) if settings else {}
    mel = read_mel(encoder, config)
    facts = _read_facts(encoder, config, settings, mel)
    decoder = read_decoder(graphs[1:])
    tokens = read_vocabulary(vocabulary, facts, decoder.step.outputs[0].size)
    encoder = at_precision(encoder, options.arithmetic)
    decoder = decoder.at_precision(options.arithmetic)
    waveforms = load_waveforms(options.parity_audio, SAMPLE_RATE)
    served = adapt_encoder(encoder, mel)
    parts = adapt_decoder(decoder, encode(served, waveforms[:1]))
    parity = check_parity(Models(encoder, decoder, mel, served, parts), waveforms)
    seconds = f"frames    20 ms each; the graph hears {facts.window_seconds:g} s at once"
    models = (served, parts.cross_attention, parts.decoder)
    return Built(
        spec=_state_facts(checkpoint.source(names), facts, tokens),
        graphs=dict(zip(GRAPHS, models, strict=True)),
        tokens=str(tokens),
        joiner_dim=0,
        vocab_size=len(tokens.symbols),
        report=(encoder.describe(), *describe(decoder), tokens.describe(), *parity, seconds),
    )


def read_mel(encoder: Graph, config: Record) -> WhisperMel:
    """The size of the features, from the graph, or from what is beside where it states none."""
    bins, frames = encoder.inputs[0].shape[1:]
    stated = {name: int(text) for name, text in encoder.metadata.items() if text.isdecimal()}
    num_mel_bins = config.get("num_mel_bins", stated.get("n_mels"))
    positions = config.get("max_source_positions", stated.get("n_audio_ctx"))
    if isinstance(positions, int):
        positions *= FRAMES_PER_OUTPUT
    sizes = [
        graph if isinstance(graph, int) else told
        for graph, told in ((bins, num_mel_bins), (frames, positions))
    ]
    if not isinstance(sizes[0], int) or not isinstance(sizes[1], int):
        raise CheckpointError(
            f"neither {encoder.path.name} nor config.json states the size of the features; seen:\n"
            f"{encoder.describe()}"
        )
    return WhisperMel(sizes[0], sizes[1])


def _read_facts(
    encoder: Graph, config: Record, settings: list[Path], mel: WhisperMel
) -> Autoregressive:
    seconds = mel.num_samples / SAMPLE_RATE
    if not settings:
        return read_metadata(encoder.metadata, encoder.path.name, seconds)
    positions = config.get("max_target_positions")
    if not isinstance(positions, int):
        raise CheckpointError(
            f"{settings[0]} has max_target_positions {positions!r}, expected the tokens that the "
            "decoder can write; is it Whisper's config.json?"
        )
    return read_generation(settings[1], positions, seconds)


def _state_facts(source: Source, facts: Autoregressive, tokens: TokenTable) -> PipelineSpec:
    return PipelineSpec(
        family="whisper",
        head="autoregressive",
        sample_rate=SAMPLE_RATE,
        seconds_per_frame=SHIFT * FRAMES_PER_OUTPUT / SAMPLE_RATE,
        graphs={role: f"{role}.onnx" for role in GRAPHS},
        tokens="tokens.txt",
        token_kind=tokens.kind,
        blank_id=0,
        unk_id=None,
        context_size=0,
        max_seconds=None,
        source=source,
        autoregressive=facts,
    )


FAMILY = Family(
    source=HuggingFace("onnx-community/whisper-base"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 30.0, 30.0), batch=(1, 8, 16)),
    exporter=Optimum(HuggingFace("openai/whisper-base")),
)
