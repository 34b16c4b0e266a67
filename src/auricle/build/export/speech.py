"""Real audio to check and to time graphs with; needs numpy only."""

import wave
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle.errors import CheckpointError

Waveform = npt.NDArray[np.float32]

MAX_WAVEFORMS = 3


def load_waveforms(path: Path | None, sample_rate: int) -> list[Waveform]:
    """A wav, the first few of a folder, or the sentence that ships with the package."""
    if path is None:
        with as_file(files("auricle.build.export") / "speech.wav") as speech:
            return [_read_wav(speech, sample_rate)]
    paths = sorted(path.rglob("*.wav"))[:MAX_WAVEFORMS] if path.is_dir() else [path]
    if not paths:
        raise CheckpointError(f"no .wav in {path} to check parity with")
    return [_read_wav(path, sample_rate) for path in paths]


def _read_wav(path: Path, sample_rate: int) -> Waveform:
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth() * 8, file.getframerate())
            samples = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
    except (OSError, wave.Error, EOFError) as error:
        raise CheckpointError(f"cannot read {path} for the parity check: {error}") from error
    if form != (1, 16, sample_rate):
        raise CheckpointError(
            f"{path} has {form[0]} channels, {form[1]} bits and {form[2]} Hz; the parity check "
            f"takes mono, 16 bits and {sample_rate} Hz"
        )
    if len(samples) < 2 * sample_rate:
        raise CheckpointError(f"{path} is too short for the parity check; give it a second or more")
    return samples.view("<i2").astype(np.float32) / 32768
