"""The three synthesisers, called as programs: an utterance in, its bare waveform at 16 kHz out.

What an engine says depends on its version: lists are equal everywhere, audio for equal versions.
"""

import io
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from training.features import SAMPLE_RATE_HZ
from training.utterances import Utterance

NOMINAL_SPEED = 165  # words per minute that flite and festival speak at when not stretched
Waveform = NDArray[np.float32]

_FESTIVAL_START = """
(define (say text path)
  (let ((u (eval (list 'Utterance 'Text text))))
    (utt.synth u)
    (utt.save.wave u path 'riff)))
(define hts_base nil)
(define (hts_speed speed)
  (if (null? hts_base) (set! hts_base hts_engine_params))
  (set! hts_engine_params (append hts_base (list (list "-r" speed)))))
"""


def speak(utterances: Sequence[Utterance]) -> list[Waveform]:
    """One waveform per utterance; festival, slow to start, speaks all of its share in one run."""
    festival = [utterance for utterance in utterances if utterance.engine == "festival"]
    spoken = dict(zip(festival, _festival(festival), strict=True))
    for utterance in utterances:
        if utterance.engine == "espeak":
            spoken[utterance] = _espeak(utterance)
        elif utterance.engine == "flite":
            spoken[utterance] = _flite(utterance)
    return [_to_model_rate(*spoken[utterance], utterance.warp) for utterance in utterances]


def _to_model_rate(waveform: Waveform, sample_rate_hz: int, warp: float) -> Waveform:
    return np.asarray(soxr.resample(waveform, sample_rate_hz * warp, SAMPLE_RATE_HZ), np.float32)


def _espeak(utterance: Utterance) -> tuple[Waveform, int]:
    command = ["espeak-ng", "-v", utterance.voice, "-s", str(utterance.words_per_minute)]
    command += ["-p", str(utterance.pitch), "--stdout", utterance.text]
    wav = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    samples = np.frombuffer(wav[44:], "<i2")  # a stream's header carries no length
    return samples.astype(np.float32) / 32768, int.from_bytes(wav[24:28], "little")


def _flite(utterance: Utterance) -> tuple[Waveform, int]:
    stretch = NOMINAL_SPEED / utterance.words_per_minute
    pitch_hz = 80 + 1.4 * utterance.pitch  # rms has no pitch to set and ignores this
    command = ["flite", "-voice", utterance.voice, "--setf", f"duration_stretch={stretch:.3f}"]
    command += ["--setf", f"int_f0_target_mean={pitch_hz:.0f}", "-t", utterance.text]
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run([*command, "-o", file.name], check=True)
        return _read(file.read())


def _festival(utterances: Sequence[Utterance]) -> list[tuple[Waveform, int]]:
    if not utterances:
        return []
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{index}.wav") for index in range(len(utterances))]
        lines = [_festival_lines(u, path) for u, path in zip(utterances, paths, strict=True)]
        script = Path(folder, "say.scm")
        script.write_text(_FESTIVAL_START + "".join(lines), encoding="utf-8")
        subprocess.run(["festival", "-b", str(script)], check=True, stdout=subprocess.DEVNULL)
        return [_read(path.read_bytes()) for path in paths]


def _festival_lines(utterance: Utterance, path: Path) -> str:
    speed = utterance.words_per_minute / NOMINAL_SPEED
    lines = f"(voice_{utterance.voice}) (Parameter.set 'Duration_Stretch {1 / speed:.3f})\n"
    if utterance.voice.endswith("_hts"):  # these ignore Duration_Stretch
        lines += f"(hts_speed {speed:.3f})\n"
    return lines + f'(say "{utterance.text}" "{path}")\n'


def _read(wav: bytes) -> tuple[Waveform, int]:
    waveform, sample_rate_hz = soundfile.read(io.BytesIO(wav), dtype="float32")
    return waveform, sample_rate_hz
