"""Audio for a list of utterances, and the training set's features, made by several processes.

Everything random about an utterance is in its row or follows from its id, so the order of work
changes nothing.
"""

import argparse
import concurrent.futures
import functools
import logging
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from training.engines import Waveform, speak
from training.features import EXTRACTORS, SAMPLE_RATE_HZ
from training.utterances import Utterance, mandarin_training_list, training_list

logger = logging.getLogger(__name__)

SHARD = 250  # utterances that one process makes at a time


def _rng(utterance: Utterance) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(utterance.utterance_id.encode()))


def _silence(seconds: float) -> Waveform:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


def non_speech(utterance: Utterance) -> Waveform:
    """0.5 to 4 s of noise, a tone or near silence; the utterance's voice says which."""
    rng = _rng(utterance)
    time_s = np.arange(round(rng.uniform(0.5, 4) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = rng.standard_normal(len(time_s))
    if utterance.voice == "brown":
        noise = np.cumsum(noise)
        noise = noise - np.convolve(noise, np.full(400, 1 / 400), "same")
    elif utterance.voice == "modulated":
        noise = noise * (1 + rng.uniform(0.5, 1) * np.sin(2 * np.pi * rng.uniform(1, 8) * time_s))
    elif utterance.voice == "tone":
        noise = 0.05 * noise + np.sin(2 * np.pi * rng.uniform(80, 3000) * time_s)
    level = 10 ** rng.uniform(-4, -3 if utterance.voice == "silence" else -0.8)
    return np.asarray(np.clip(level * noise / noise.std(), -1, 1), np.float32)


def in_room(utterance: Utterance, waveform: Waveform) -> Waveform:
    """The waveform at its level, with silences around it and noise over all, within [-1, 1]."""
    peak = float(np.abs(waveform).max()) + 1e-9
    scaled = waveform * (10 ** (utterance.gain_db / 20) / max(peak, 0.5))
    padded = np.concatenate([_silence(utterance.lead_s), scaled, _silence(utterance.tail_s)])
    rms = float(np.sqrt(np.mean(scaled**2)))
    noise = _rng(utterance).standard_normal(len(padded)) * rms * 10 ** (-utterance.snr_db / 20)
    return np.asarray(np.clip(padded + noise, -1, 1), np.float32)


def synthesize(utterances: Sequence[Utterance]) -> list[NDArray[np.int16]]:
    """int16 [num_samples] at 16 kHz per utterance."""
    speech = [utterance for utterance in utterances if utterance.engine != "non-speech"]
    spoken = dict(zip(speech, speak(speech), strict=True))
    waveforms = [in_room(u, spoken[u]) if u in spoken else non_speech(u) for u in utterances]
    return [(waveform * 32767).astype(np.int16) for waveform in waveforms]


def _shard_features(style: str, utterances: Sequence[Utterance]) -> list[NDArray[np.float16]]:
    waveforms = [samples.astype(np.float32) / 32768 for samples in synthesize(utterances)]
    return [EXTRACTORS[style](waveform).astype(np.float16) for waveform in waveforms]


def write_features(
    path: Path, utterances: Sequence[Utterance], processes: int, style: str = "icefall"
) -> None:
    """Write a .npz: features float16 [sum of T, 80], num_frames int64 [N], texts [N]."""
    shards = [utterances[start : start + SHARD] for start in range(0, len(utterances), SHARD)]
    features: list[NDArray[np.float16]] = []
    started = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        for shard in pool.map(functools.partial(_shard_features, style), shards):
            features += shard
            elapsed = time.monotonic() - started
            logger.info("%d of %d utterances, %.0f s", len(features), len(utterances), elapsed)
    num_frames = np.array([len(matrix) for matrix in features])
    texts = np.array([utterance.text for utterance in utterances])
    np.savez(path, features=np.concatenate(features), num_frames=num_frames, texts=texts)
    logger.info("%.2f hours in %s", num_frames.sum() / 360000, path)


def write_wavs(folder: Path, utterances: Sequence[Utterance]) -> None:
    """<id>.wav for each utterance, with Kaldi's wav.scp and text beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for utterance, samples in zip(utterances, synthesize(utterances), strict=True):
        soundfile.write(folder / f"{utterance.utterance_id}.wav", samples, SAMPLE_RATE_HZ)
    ids = [utterance.utterance_id for utterance in utterances]
    wav_scp = "".join(f"{name} {name}.wav\n" for name in ids)
    text = "".join(f"{utterance.utterance_id} {utterance.text}\n" for utterance in utterances)
    (folder / "wav.scp").write_text(wav_scp, encoding="utf-8")
    (folder / "text").write_text(text, encoding="utf-8")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="features of the training set (.npz)")
    parser.add_argument("--utterances", type=int, default=18000, help="of them in English")
    parser.add_argument("--mandarin", type=int, default=0, help="utterances in Mandarin after them")
    parser.add_argument(
        "--fbank", choices=sorted(EXTRACTORS), default="icefall", help="whose options"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    utterances = training_list(args.utterances, args.seed) + mandarin_training_list(args.mandarin)
    write_features(args.out, utterances, args.processes, args.fbank)


if __name__ == "__main__":
    main()
