"""CTC models from NeMo: Conformer, FastConformer, Citrinet, a hybrid's CTC branch, and streams.

https://github.com/NVIDIA-NeMo/NeMo/blob/main/nemo/collections/asr/models/ctc_models.py
"""

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
from auricle.build.export.heads import NUM_TOP, CtcHead
from auricle.build.export.heard import heard_by
from auricle.build.export.measure import output_size
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


def choose(names: list[str], options: Options) -> list[str]:
    """The graph and the tokens, and what lies beside them."""
    pattern = "model*.onnx" if matching(names, "model*.onnx") else "*.onnx"
    graph = choose_graph(names, pattern, options.precision)
    return [graph, choose_file(names, *TOKENS), *choose_beside(names, [graph])]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    graph_path, tokens_path = (checkpoint.folder / name for name in names[:2])
    published = read_graph(graph_path, "nemo_ctc", "nemo_streaming_ctc")
    frontend = read_frontend(published, read_settings(checkpoint.folder, names), options)
    convert = new_frames_only if classify(published) == "nemo_streaming_ctc" else frames_first
    graph = convert(published, is_ctc=True)
    vocab_size = output_size(graph)
    tokens = read_table(tokens_path, vocab_size)
    head = CtcHead(min(NUM_TOP, vocab_size), tokens.blank_id)
    waveforms = load_waveforms(options.parity_audio, frontend.sample_rate)
    recipe = Recipe(frontend, head)
    reduced = at_precision(graph, options.arithmetic, heard_by(graph, recipe, waveforms))
    served = build_encoder(reduced, recipe, waveforms)
    source = checkpoint.source(names)
    seen = served.seen if served.layout else published.describe()
    return Built(
        spec=state_facts("nemo_ctc", "ctc", ("encoder",), served, tokens, source),
        graphs={"encoder": served.model},
        tokens=str(tokens),
        joiner_dim=0,
        vocab_size=vocab_size,
        report=(seen, frontend.describe(), tokens.describe(), *served.report),
    )


FAMILY = Family(
    source=HuggingFace("csukuangfj/sherpa-onnx-nemo-fast-conformer-ctc-en-24500"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 39.0), batch=(1, 8, 64)),
    exporter=Nemo("ctc"),
    streaming_source=HuggingFace(
        "csukuangfj/sherpa-onnx-nemo-streaming-fast-conformer-ctc-en-80ms"
    ),
)
