"""Transducers from NeMo: RNN-T and TDT (Parakeet), whose predictor is an LSTM, and streams.

https://github.com/NVIDIA-NeMo/NeMo/blob/main/nemo/collections/asr/models/rnnt_models.py
"""

from dataclasses import replace

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import (
    choose_file,
    choose_graph,
    list_files,
    matching,
)
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.export.adapt import Recipe
from auricle.build.export.encoder import build_encoder
from auricle.build.export.heads import PlainHead
from auricle.build.export.heard import heard_by
from auricle.build.export.measure import output_size
from auricle.build.export.nemo.predictor import (
    Published,
    adapt_predictor,
    check_predictor,
    count_scores,
)
from auricle.build.export.nemo.published import frames_first
from auricle.build.export.nemo.streaming import new_frames_only
from auricle.build.export.precision import at_precision
from auricle.build.export.reference import load_waveforms
from auricle.build.export.roles import classify, read_graph
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.families._facts import state_facts
from auricle.build.families._nemo import (
    TOKENS,
    choose_beside,
    read_frontend,
    read_settings,
    read_table,
)
from auricle.build.upstream.nemo import Nemo
from auricle.errors import CheckpointError

ROLES = ("encoder", "predictor")


def choose(names: list[str], options: Options) -> list[str]:
    """Tokens; the encoder; decoder and joint network in one file, or in two; what lies beside."""
    joint = matching(names, "decoder_joint*.onnx")
    patterns = ("encoder*.onnx", *(("decoder_joint*.onnx",) if joint else
                                   ("decoder*.onnx", "joiner*.onnx")))  # fmt: skip
    graphs = [choose_graph(names, pattern, options.precision) for pattern in patterns]
    return [choose_file(names, *TOKENS), *graphs, *choose_beside(names, graphs)]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    tokens_path, encoder_path, *others = (checkpoint.folder / name for name in names)
    published = read_graph(encoder_path, "nemo_encoder", "nemo_streaming_encoder")
    frontend = read_frontend(published, read_settings(checkpoint.folder, names), options)
    tokens = read_table(tokens_path)
    others = [path for path in others if path.suffix == ".onnx"]
    if len(others) == 1:
        decoder, joiner = read_graph(others[0], "nemo_decoder_joint"), None
    else:
        decoder = read_graph(others[0], "nemo_decoder")
        joiner = read_graph(others[1], "nemo_joiner")
    predictor = Published(decoder, joiner, len(tokens.symbols))
    is_streaming = classify(published) == "nemo_streaming_encoder"
    encoder = (new_frames_only if is_streaming else frames_first)(published, is_ctc=False)
    _check_sizes(encoder_size := output_size(encoder), predictor)
    num_scores = count_scores(predictor)
    adapted = adapt_predictor(predictor, num_scores)
    check = check_predictor(predictor, adapted)
    waveforms = load_waveforms(options.parity_audio, frontend.sample_rate)
    recipe = Recipe(frontend, PlainHead())
    reduced = at_precision(encoder, options.arithmetic, heard_by(encoder, recipe, waveforms))
    served = build_encoder(reduced, recipe, waveforms)
    seen = served.seen if served.layout else published.describe()
    facts = state_facts(
        "nemo_transducer", "recurrent_transducer", ROLES, served, tokens, checkpoint.source(names)
    )
    return Built(
        spec=replace(facts, predictor_state=predictor.state_size),
        graphs={"encoder": served.model, "predictor": adapted},
        tokens=str(tokens),
        joiner_dim=encoder_size,
        vocab_size=len(tokens.symbols),
        report=(
            seen,
            predictor.describe(),
            frontend.describe(),
            tokens.describe(),
            check,
            *served.report,
        ),
    )


def _check_sizes(encoder_size: int, predictor: Published) -> None:
    taken = predictor.encoder_out.shape[1]
    if taken != encoder_size:
        raise CheckpointError(
            f"the encoder gives {encoder_size} a frame, but the joint network takes {taken}: "
            f"are they of one checkpoint? Seen:\n{predictor.describe()}"
        )


FAMILY = Family(
    source=HuggingFace("csukuangfj/sherpa-onnx-nemo-fast-conformer-transducer-en-24500"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 39.0), batch=(1, 8, 64)),
    exporter=Nemo("rnnt"),
    streaming_source=HuggingFace(
        "csukuangfj/sherpa-onnx-nemo-streaming-fast-conformer-transducer-en-480ms"
    ),
)
