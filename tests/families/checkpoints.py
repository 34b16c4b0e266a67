"""Small checkpoints of every family, in each form that its users have."""

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper

from auricle.build.checkpoint import silero
from tests.build import (
    tiny,
    tiny_nemo,
    tiny_nemo_streaming,
    tiny_stacked,
    tiny_streaming,
    tiny_wav2vec2,
    tiny_whisper,
)

ROOT = Path(__file__).parents[2]
VARIANTS = ROOT / "tests" / "data" / "paraformer"


def copy_wenet(folder: Path) -> Path:
    return _copy(ROOT / "assets" / "wenet-u2", folder,
                 "encoder.onnx", "decoder.onnx", "units.txt", "train.yaml")  # fmt: skip


def copy_sense_voice(folder: Path) -> Path:
    return _copy(ROOT / "assets" / "sense-voice", folder, *FUNASR_FILES)


def copy_paraformer(name: str) -> Callable[[Path], Path]:
    files = FUNASR_FILES if name == "bicif" else (*FUNASR_FILES, "model_eb.onnx")
    return lambda folder: _copy(VARIANTS / name, folder, *files)


def write_sherpa_transducer(folder: Path) -> Path:
    """As sherpa/triton's exporter names and shapes things, in float16 outside, too."""
    encoder = tiny.Encoder(
        names=("speech", "speech_lengths"), io_dtype=TensorProto.FLOAT16, metadata=()
    )
    return tiny.write_sherpa_transducer(folder, encoder)


def write_uncounted_transducer(folder: Path) -> Path:
    """As icefall's conformer, whose caller counts the frames; with caches in float16."""
    encoder = tiny_streaming.Encoder(counts=False, state_dtype=TensorProto.FLOAT16)
    return tiny_streaming.write_transducer(folder, encoder)


def write_zipformer(folder: Path) -> Path:
    return tiny_streaming.write_transducer(folder, tiny_stacked.make_zipformer())


def write_lstm(folder: Path) -> Path:
    return tiny_streaming.write_transducer(folder, tiny_stacked.make_lstm())


def write_streaming_wenet(folder: Path, positions: int = 0) -> Path:
    """The tiny encoder knows only the first of the tokens.

    positions: frames of 40 ms.
    """
    wenet = ROOT / "assets" / "wenet-u2"
    _copy(wenet, folder, "decoder.onnx", "train.yaml")
    lines = (wenet / "units.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    units = "".join(lines[: tiny.VOCAB_SIZE])
    (folder / "units.txt").write_text(units, encoding="utf-8")
    onnx.save(tiny_streaming.make_wenet_encoder(positions=positions), folder / "encoder.onnx")
    return folder


def write_online_paraformer(folder: Path) -> Path:
    """The trained one keeps silent at noise; this one's predictor finds tokens everywhere."""
    _copy(ROOT / "assets" / "paraformer-online", folder, "decoder.onnx", *FUNASR_FILES)
    model = onnx.load(folder / "model.onnx")
    (bias,) = (each for each in model.graph.initializer if each.name == "predictor.cif_output.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 11, bias.name))
    onnx.save(model, folder / "model.onnx")
    return folder


def _copy(source: Path, folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        shutil.copy(source / name, folder / name)
    return folder


def copy_silero(folder: Path) -> Path:
    return _copy(silero.find_vad(silero.AUTO).parent, folder, silero.FILE_NAME)


def write_wav2vec2(norm: str, *, takes_mask: bool = False) -> Callable[[Path], Path]:
    kind = tiny_wav2vec2.Kind(norm, takes_mask, "eager", opset=17)
    return lambda folder: tiny_wav2vec2.write(folder, kind)


def write_bounded_wenet(folder: Path) -> Path:
    """With the least positions that are built, 3.2 s."""
    return write_streaming_wenet(folder, positions=80)


FUNASR_FILES = ("model.onnx", "am.mvn", "config.yaml", "tokens.json")
# Family, then what sets this form apart; a family needs one line here to be held to every law.
OFFLINE: dict[str, Callable[[Path], Path]] = {
    "icefall_ctc": tiny.write_ctc,
    "icefall_transducer": tiny.write_transducer,
    "icefall_transducer-sherpa": write_sherpa_transducer,
    "nemo_ctc": tiny_nemo.write_ctc,
    "nemo_transducer": tiny_nemo.write_transducer,
    "nemo_transducer-sherpa": tiny_nemo.write_sherpa_transducer,
    "nemo_transducer-tdt": tiny_nemo.write_tdt,
    "paraformer-bicif": copy_paraformer("bicif"),
    "paraformer-contextual": copy_paraformer("contextual"),
    "paraformer-seaco": copy_paraformer("seaco"),
    "sense_voice": copy_sense_voice,
    "wav2vec2_ctc-group": write_wav2vec2("group"),
    "wav2vec2_ctc-layer": write_wav2vec2("layer"),
    "wav2vec2_ctc-masked": write_wav2vec2("layer", takes_mask=True),
    "wenet_u2": copy_wenet,
    "whisper": tiny_whisper.write_optimum,
    "whisper-merged": tiny_whisper.write_merged,
    "whisper-sherpa": tiny_whisper.write_sherpa,
}
STREAMING: dict[str, Callable[[Path], Path]] = {
    "icefall_ctc-streaming": tiny_streaming.write_ctc,
    "icefall_transducer-streaming": tiny_streaming.write_transducer,
    "icefall_transducer-lstm": write_lstm,
    "icefall_transducer-uncounted": write_uncounted_transducer,
    "icefall_transducer-zipformer": write_zipformer,
    "nemo_ctc-streaming": tiny_nemo_streaming.write_ctc,
    "nemo_transducer-streaming": tiny_nemo_streaming.write_transducer,
    "paraformer-streaming": write_online_paraformer,
    "wenet_u2-positions": write_bounded_wenet,
    "wenet_u2-streaming": write_streaming_wenet,
}
# What finds speech and hears no words: of the laws, those of every checkpoint.
DETECTORS: dict[str, Callable[[Path], Path]] = {"silero_vad": copy_silero}
WRITERS = OFFLINE | STREAMING | DETECTORS
# Of OFFLINE, those that a search with a beam can decode.
SEARCHED = ("icefall_ctc", "icefall_transducer", "nemo_ctc", "nemo_transducer", "sense_voice",
            "wav2vec2_ctc", "wenet_u2")  # fmt: skip
BEAMS = [form for form in OFFLINE if form.partition("-")[0] in SEARCHED]
