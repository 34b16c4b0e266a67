"""Whisper's and NeMo's features of one utterance on one core: our graphs, an FFT, transformers.

    python -m benchmarks.features --json docs/raw/features.json

Every measurement is taken in turn with its rivals', round after round; the last column is the
conformer of 30 M random weights that hears the same audio, Whisper's always 30 s, to say what
the features add to it.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import torch
import transformers
import typer
from numpy.typing import NDArray

from auricle.build.export.reference import load_waveforms
from auricle.build.export.session import Session
from auricle.build.frontend import nemo_mel, whisper_mel
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.slaney import slaney_banks
from auricle.build.random_checkpoint.conformer import NUM_MEL_BINS, Shape, encoder
from benchmarks.in_turn import time_in_turn, write
from tests.build.front import make_front

SAMPLE_RATE, WINDOW = 16000, 480_000
RIVALS = ("numpy", "torch", "python")

Waveform = NDArray[np.float32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """One kind of features, by everyone who makes it.

    graph: ours.  numpy: spectra by an FFT, in the float32 that whoever wants speed would take.
    torch: transformers' extractor.  python: its other path, without torch, if it has one.
    num_frames: that the network behind them hears, where it hears a whole window always.
    """

    graph: Session
    numpy: Callable[[Waveform], Floats]
    torch: Callable[[Waveform], Any]
    python: Callable[[Waveform], Any] | None = None
    num_frames: int | None = None


def spectra(padded: Waveform, window: Floats, fft_size: int, num_frames: int) -> Floats:
    """Powers [T, fft_size / 2 + 1] of frames every 10 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::160][:num_frames]
    spectrum = np.fft.rfft(frames * window, fft_size)
    return (spectrum.real**2 + spectrum.imag**2).astype(np.float32)


def whisper(num_mel_bins: int) -> Features:
    banks = slaney_banks(num_mel_bins, whisper_mel.FFT_SIZE).astype(np.float32)
    hann = whisper_mel.HANN.astype(np.float32)
    extractor = transformers.WhisperFeatureExtractor(num_mel_bins)

    def add(nodes: Nodes, waveforms: str, lens: str) -> tuple[str, str]:
        mel = whisper_mel.WhisperMel(num_mel_bins, 3000)
        return whisper_mel.add_whisper_mel(nodes, mel, waveforms, lens), nodes.add("Identity", lens)

    def by_numpy(waveform: Waveform) -> Floats:
        padded = np.pad(waveform, (0, WINDOW - len(waveform)))
        power = spectra(np.pad(padded, 200, mode="reflect"), hann, whisper_mel.FFT_SIZE, 3000)
        log_mel = np.log10(np.maximum(power @ banks, 1e-10))
        return (np.maximum(log_mel, log_mel.max() - 8).T + 4) / 4

    return Features(
        Session(make_front(add, 3000)),
        by_numpy,
        lambda waveform: extractor(waveform, sampling_rate=SAMPLE_RATE)["input_features"][0],
        lambda waveform: extractor._np_extract_fbank_features(  # its path without torch
            np.pad(waveform, (0, WINDOW - len(waveform)))[None], "cpu"
        )[0],
        num_frames=3000,
    )


def nemo(num_mel_bins: int) -> Features:
    banks = slaney_banks(num_mel_bins, nemo_mel.FFT_SIZE).astype(np.float32)
    hann = np.hanning(nemo_mel.FRAME_LENGTH).astype(np.float32)
    extractor = transformers.ParakeetFeatureExtractor(num_mel_bins)

    def add(nodes: Nodes, waveforms: str, lens: str) -> tuple[str, str]:
        mel = nemo_mel.NemoMel(num_mel_bins, tail_frames=0)
        return nemo_mel.add_nemo_mel(nodes, mel, waveforms, lens)

    def by_numpy(waveform: Waveform) -> Floats:
        emphasised = np.concatenate([waveform[:1], waveform[1:] - 0.97 * waveform[:-1]])
        power = spectra(np.pad(emphasised, 200), hann, 512, len(waveform) // 160)
        log_mel = np.log(power @ banks + np.float32(nemo_mel.LOG_GUARD))
        return (log_mel - log_mel.mean(0)) / (log_mel.std(0, ddof=1) + nemo_mel.STD_GUARD)

    return Features(
        Session(make_front(add, num_mel_bins)),
        by_numpy,
        lambda waveform: extractor(waveform, sampling_rate=SAMPLE_RATE)["input_features"][0],
    )


def make_encoder() -> Session:
    onnx_encoder: onnx.ModelProto = encoder(Shape(), 1)
    return Session(onnx_encoder)


def measure(features: Features, network: Session, waveform: Waveform, rounds: int) -> Any:
    inputs = {"WAV": waveform[None], "WAV_LENS": np.array([len(waveform)], np.int32)}
    num_frames = features.num_frames or len(waveform) // 160
    heard = np.random.default_rng(0).normal(-6, 4, (1, num_frames, NUM_MEL_BINS))
    batch = {"x": heard.astype(np.float32), "x_lens": np.array([num_frames], np.int64)}
    runs: dict[str, Callable[[], object]] = {
        "graph": lambda: features.graph.run(inputs),
        "numpy": lambda: features.numpy(waveform),
        "torch": lambda: features.torch(waveform),
    }
    if python := features.python:
        runs["python"] = lambda: python(waveform)
    return time_in_turn(runs | {"encoder": lambda: network.run(batch)}, rounds)


def main(
    seconds: Annotated[str, typer.Option(help="Lengths of audio.")] = "2,5,10,30",
    rounds: Annotated[int, typer.Option(help="Of every rival, in turn.")] = 21,
    json: Annotated[Path | None, typer.Option(help="Keep every round in this file.")] = None,
) -> None:
    """One utterance's features on one core."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    (speech,) = load_waveforms(None, SAMPLE_RATE)
    network, record = make_encoder(), []
    typer.echo(
        "| features | audio | graph | numpy FFT | transformers, torch | transformers, numpy |"
        " of the encoder |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    kinds = {"Whisper": whisper, "NeMo": nemo}
    for name, bins in ((name, bins) for name in kinds for bins in (80, 128)):
        features = kinds[name](bins)
        for length in map(float, seconds.split(",")):
            waveform = np.tile(speech, 5)[: int(length * SAMPLE_RATE)]
            found = measure(features, network, waveform, rounds)
            ours, whole = found["graph"].ms, found["encoder"].ms
            others = " | ".join(
                f"{found[rival].ms:.1f} ms ({found[rival].ms / ours:.2f}x)"
                if rival in found
                else "-"
                for rival in RIVALS
            )
            typer.echo(
                f"| {name}, {bins} | {length:g} s | {ours:.1f} ms | {others} |"
                f" {100 * ours / whole:.1f} % of {whole:.0f} ms |"
            )
            timings = [asdict(each) for each in found.values()]
            record.append({"features": name, "mels": bins, "audio_s": length, "timings": timings})
    write(json, record, ("torch", "transformers", "onnx", "numpy"))


if __name__ == "__main__":
    typer.run(main)
