"""The adapted graph against the original on real audio, before anything is written."""

import wave
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import numpy.typing as npt
import onnx

from auricle.build.export.adapt import CtcHead
from auricle.build.export.graph import Graph
from auricle.build.export.sanitize import sanitize
from auricle.build.export.session import Array, Session
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.errors import CheckpointError, ParityError

Waveform = npt.NDArray[np.float32]
MAX_WAVEFORMS = 3
TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2, "int8": 0.5}  # encoder outputs are of the order of 1


@dataclass(frozen=True)
class Parity:
    """Largest differences over all compared values; seconds: the audio that was compared."""

    to_original: float
    batch_to_singles: float
    tolerance: float
    seconds: float

    def report(self) -> tuple[str, ...]:
        batch = self.batch_to_singles
        return (
            f"parity    {self.to_original:.2g} largest difference to the original graph on "
            f"kaldi-native-fbank features, both with 32 frames of padding "
            f"({self.seconds:.1f} s of audio, tolerance {self.tolerance:g})",
            "batching  "
            + ("a batch equals its singles bit for bit" if batch == 0 else
               f"{batch:.2g} largest difference of a batch to its singles"),
        )  # fmt: skip


@dataclass(frozen=True)
class Encoders:
    """The same network twice: as published, and as it will be served."""

    original: Graph
    adapted: onnx.ModelProto
    options: FbankOptions
    head: CtcHead | None


def check_parity(encoders: Encoders, waveforms: list[Waveform], tolerance: float) -> Parity:
    """ParityError if the adapted graph, or a batch of it, strays beyond the tolerance."""
    adapted = Session(encoders.adapted)
    reference = _reference(encoders.original)
    differences = [
        _difference(
            encoders, adapted.run(batch_of([waveform])),
            reference.run(_original_inputs(encoders, waveform)),
        )
        for waveform in waveforms
    ]  # fmt: skip
    parity = Parity(
        max(differences),
        _batch_difference(adapted, waveforms[0]),
        tolerance,
        sum(map(len, waveforms)) / encoders.options.sample_rate,
    )
    if not max(parity.to_original, parity.batch_to_singles) <= tolerance:
        raise ParityError("\n".join(("the adapted graph strays too far", *parity.report())))
    return parity


def load_waveforms(path: Path | None, sample_rate: int) -> list[Waveform]:
    """A wav, the first few of a folder, or the sentence that ships with the package."""
    if path is None:
        with as_file(files("auricle.build.export") / "speech.wav") as speech:
            return [_read_wav(speech, sample_rate)]
    paths = sorted(path.rglob("*.wav"))[:MAX_WAVEFORMS] if path.is_dir() else [path]
    if not paths:
        raise CheckpointError(f"no .wav in {path} to check parity with")
    return [_read_wav(path, sample_rate) for path in paths]


def batch_of(waveforms: list[Waveform]) -> dict[str, Array]:
    longest = max(map(len, waveforms))
    return {
        "WAV": np.stack([np.pad(w, (0, longest - len(w))) for w in waveforms]),
        "WAV_LENS": np.array([len(w) for w in waveforms], dtype=np.int32),
    }


def _reference(original: Graph) -> Session:
    return Session(sanitize(original))


def _original_inputs(encoders: Encoders, waveform: Waveform) -> dict[str, Array]:
    """X with the padding that the adapted graph adds, and x_lens without it."""
    x, x_lens = encoders.original.inputs
    features = fbank(waveform, encoders.options)
    tail = ((0, encoders.options.tail_frames), (0, 0))
    padded = np.pad(features, tail, constant_values=encoders.options.pad_value)
    return {
        x.name: padded[None].astype(onnx.helper.tensor_dtype_to_np_dtype(x.dtype)),
        x_lens.name: np.array([len(features)], onnx.helper.tensor_dtype_to_np_dtype(x_lens.dtype)),
    }


def fbank(waveform: Waveform, options: FbankOptions) -> npt.NDArray[np.float32]:
    """kaldi-native-fbank's features [num_frames, num_mel_bins] of one utterance."""
    kaldi = knf.FbankOptions()
    kaldi.frame_opts.samp_freq = options.sample_rate
    kaldi.frame_opts.dither = 0
    kaldi.frame_opts.snip_edges = False
    kaldi.frame_opts.window_type = options.window
    kaldi.mel_opts.num_bins = options.num_mel_bins
    kaldi.mel_opts.low_freq = options.low_freq
    kaldi.mel_opts.high_freq = options.high_freq
    extractor = knf.OnlineFbank(kaldi)
    extractor.accept_waveform(options.sample_rate, (waveform * options.scale).tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(i) for i in range(extractor.num_frames_ready)]
    return np.array(frames, dtype=np.float32).reshape(-1, options.num_mel_bins)


def _difference(encoders: Encoders, adapted: dict[str, Array], original: dict[str, Array]) -> float:
    out, out_lens = (original[port.name] for port in encoders.original.outputs[:2])
    num_frames = int(adapted["OUT_LENS"][0])
    if num_frames != int(out_lens[0]):
        raise ParityError(
            f"the adapted graph gives {num_frames} frames, the original {int(out_lens[0])}"
        )
    expected = out[0, :num_frames].astype(np.float32)
    if encoders.head is None:
        return _largest(adapted["ENCODER_OUT"][0, :num_frames] - expected)
    ids = adapted["TOPK_IDS"][0, :num_frames]
    top = adapted["TOPK_LOG_PROBS"][0, :num_frames]
    ranked = -np.sort(-expected, axis=1)[:, : encoders.head.num_top]
    blank = adapted["BLANK_LOG_PROBS"][0, :num_frames]
    return max(
        _largest(top - np.take_along_axis(expected, ids, axis=1)),
        _largest(top - ranked),
        _largest(blank - expected[:, encoders.head.blank_id]),
    )


def _batch_difference(adapted: Session, waveform: Waveform) -> float:
    """A batch of unequal lengths against its rows run alone, over the valid frames."""
    rows = [waveform, waveform[: len(waveform) // 3], waveform[len(waveform) // 5 :]]
    batch = adapted.run(batch_of(rows))
    worst = 0.0
    for number, row in enumerate(rows):
        single = adapted.run(batch_of([row]))
        num_frames = int(single["OUT_LENS"][0])
        for name, values in single.items():
            if values.ndim > 1:
                together = batch[name][number, :num_frames]
                worst = max(worst, _largest(together - values[0, :num_frames]))
    return worst


def _largest(difference: Array) -> float:
    return float(np.abs(difference).max(initial=0))


def _read_wav(path: Path, sample_rate: int) -> Waveform:
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth() * 8, file.getframerate())
            samples = file.readframes(file.getnframes())
    except (OSError, wave.Error, EOFError) as error:
        raise CheckpointError(f"cannot read {path} for the parity check: {error}") from error
    if form != (1, 16, sample_rate):
        raise CheckpointError(
            f"{path} has {form[0]} channels, {form[1]} bits, {form[2]} Hz; the parity check takes "
            f"mono, 16 bits, {sample_rate} Hz"
        )
    return np.frombuffer(samples, "<i2").astype(np.float32) / 32768
