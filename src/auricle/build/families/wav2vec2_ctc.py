"""CTC models of Hugging Face's transformers: raw samples, letters at 50 Hz, words by a delimiter.

https://huggingface.co/docs/transformers/model_doc/wav2vec2, exported by optimum: wav2vec 2.0, and
what has its form (HuBERT, XLS-R, MMS).
"""

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import Precision, choose_file, list_files
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.json_files import read_json
from auricle.build.checkpoint.transformers import read_vocabulary
from auricle.build.export.heads import NUM_TOP, CtcHead
from auricle.build.export.measure import output_size
from auricle.build.export.precision import at_precision
from auricle.build.export.raw_encoder import build_raw_encoder, read_published
from auricle.build.export.reference import load_waveforms
from auricle.build.export.roles import read_graph
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.families._facts import state_facts
from auricle.build.frontend.raw import RawOptions
from auricle.build.upstream.elsewhere import Elsewhere
from auricle.errors import CheckpointError

# Of the many that stand side by side on the hub; the others are made of fp32 where there is none.
GRAPHS: dict[Precision, tuple[str, ...]] = {
    "fp32": ("model.onnx",),
    "fp16": ("model_fp16.onnx", "model.onnx"),
    "bf16": ("model_bf16.onnx", "model.onnx"),
    "int8": ("model_int8.onnx", "model.onnx"),
}
SETTINGS = ("preprocessor_config.json", "tokenizer_config.json", "vocab.json")


def choose(names: list[str], options: Options) -> list[str]:
    """The graph, and what is beside it."""
    graph = choose_file(names, *GRAPHS[options.precision])
    return [graph, *(choose_file(names, name) for name in SETTINGS)]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    path, preprocessor, tokenizer, vocab = (checkpoint.folder / name for name in names)
    graph = at_precision(read_graph(path, "wav2vec2_ctc"), options.arithmetic)
    vocab_size = output_size(graph)
    tokens = read_vocabulary(vocab, tokenizer).cut(vocab_size, vocab.name)
    samples = _read_options(read_json(preprocessor))
    head = CtcHead(min(NUM_TOP, vocab_size), tokens.blank_id, is_normalized=False)
    waveforms = load_waveforms(options.parity_audio, samples.sample_rate)
    served = build_raw_encoder(read_published(graph, samples, head), waveforms)
    source = checkpoint.source(names)
    return Built(
        spec=state_facts("wav2vec2_ctc", "ctc", ("encoder",), served, tokens, source),
        graphs={"encoder": served.model},
        tokens=str(tokens),
        joiner_dim=0,
        vocab_size=vocab_size,
        report=(served.seen, tokens.describe(), *served.report),
    )


def _read_options(record: dict[str, object]) -> RawOptions:
    """Defaults are those of Wav2Vec2FeatureExtractor."""
    size = record.get("feature_size", 1)
    if size != 1:
        raise CheckpointError(
            f"preprocessor_config.json has feature_size {size!r}; wav2vec2 takes raw samples, 1"
        )
    rate = record.get("sampling_rate", 16000)
    if not isinstance(rate, int) or rate <= 0:
        raise CheckpointError(f"preprocessor_config.json has sampling_rate {rate!r}, no number")
    return RawOptions(rate, record.get("do_normalize", True) is not False)


FAMILY = Family(
    source=HuggingFace("Xenova/wav2vec2-base-960h"),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 8.0, 30.0), batch=(1, 8, 16)),
    exporter=Elsewhere(
        "run `optimum-cli export onnx --model MODEL --task automatic-speech-recognition FOLDER` "
        "and name the folder with --from"
    ),
)
