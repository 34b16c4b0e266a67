"""Bytes or a file in any common format -> mono waveform at the asked rate.

Decodes what libsndfile knows (wav, flac, ogg, mp3, aiff ...), mixes channels to their mean and
resamples with soxr. Knows nothing of models or servers.

A file cut short is refused, never half read, wherever its format says how long it should be: a
wav header, flac frames, the last ogg page, an mp3's Xing header. A wav header with the sizes that
tools write to a pipe (0x7FFFF000 and above) promises nothing and is read to its end.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auricle.errors import AudioError

Waveform = NDArray[np.float32]

UNKNOWN_SIZE = 0x7FFFF000  # and above: sox, espeak-ng and ffmpeg writing wav to a pipe
MP3_FRAME = 1152  # samples; a whole file may lack one that is only encoder padding
MP3_TAIL = 4096  # bytes that may follow the last frame: old tags


def load(source: str | Path | bytes, sample_rate: int) -> Waveform:
    """Decode a file's path or its bytes: float32 [num_samples], mono, at sample_rate Hz.

    Integer formats scale to [-1, 1]; float files come as they are. Raises AudioError.
    """
    name = "the audio given" if isinstance(source, bytes) else str(source)
    raw = source if isinstance(source, bytes) else _read(Path(source))
    if not raw:
        raise AudioError(f"{name} is empty (0 bytes)")
    samples, rate = _decode(raw, name)
    if not len(samples):
        raise AudioError(f"{name} holds no samples")
    return resample(samples.mean(axis=1), rate, sample_rate)


def resample(waveform: Waveform, rate: int, sample_rate: int) -> Waveform:
    """Band-limited resampling of float32 [num_samples]; keeps at least one sample."""
    import soxr

    if rate == sample_rate:
        return waveform
    resampled: Waveform = soxr.resample(waveform, rate, sample_rate)
    return resampled if len(resampled) else waveform[:1]


class Resampler:
    """Resamples a waveform that comes in chunks; together they are what `resample` makes of it.

    A chunk may come out empty: its samples then come with a later one.
    """

    def __init__(self, rate: int, sample_rate: int) -> None:
        import soxr

        same = rate == sample_rate
        self._stream = None if same else soxr.ResampleStream(rate, sample_rate, num_channels=1)

    def __call__(self, chunk: Waveform, *, is_last: bool = False) -> Waveform:
        if self._stream is None:
            return chunk
        resampled: Waveform = self._stream.resample_chunk(chunk, last=is_last)
        return resampled


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AudioError(f"cannot read {path}: {error.strerror}") from error


def _decode(raw: bytes, name: str) -> tuple[Waveform, int]:
    """Samples as float32 [num_samples, num_channels] and their rate in Hz."""
    import soundfile

    _check_whole(raw, name)
    stream = io.BytesIO(raw)
    try:
        with soundfile.SoundFile(stream) as file:
            rate, promised = file.samplerate, file.frames
            samples = file.read(dtype="float32", always_2d=True)
            is_guess = file.format == "MP3" and not _counts_frames(raw)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"cannot decode {name}: {error.error_string} Known: wav, flac, ogg, mp3, aiff"
        ) from error
    except MemoryError as error:
        raise AudioError(f"{name} is broken: its header promises {promised} samples") from error
    if is_guess and len(raw) - stream.tell() > MP3_TAIL:
        raise AudioError(
            f"{name} is an mp3 of varying bit rate without a count of its frames, so libsndfile "
            "stops before its end; convert it to flac or wav"
        )
    if not is_guess and len(samples) + MP3_FRAME < promised:
        raise AudioError(f"{name} is truncated: {len(samples)} of {promised} samples are there")
    return samples, rate


def _check_whole(raw: bytes, name: str) -> None:
    """Refuse what libsndfile would quietly read short."""
    for promised, held, part in (*_wav_promises(raw), *_ogg_promises(raw)):
        if held < promised:
            raise AudioError(
                f"{name} is truncated: its {part} promises {promised} bytes, but {held} are there"
            )


def _wav_promises(raw: bytes) -> Iterator[tuple[int, int, str]]:
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        return
    offset = 12
    while offset + 8 <= len(raw):
        chunk, size = struct.unpack_from("<4sI", raw, offset)
        offset += 8
        if chunk == b"data" and size < UNKNOWN_SIZE:
            yield size, len(raw) - offset, "wav header"
        offset += size + size % 2


def _ogg_promises(raw: bytes) -> Iterator[tuple[int, int, str]]:
    """The last page; its header is 27 bytes, a count of segments at byte 26, and their sizes."""
    page = raw.rfind(b"OggS")
    if raw[:4] != b"OggS" or page + 27 > len(raw):
        return
    sizes = raw[page + 27 : page + 27 + raw[page + 26]]
    yield 27 + raw[page + 26] + sum(sizes), len(raw) - page, "last ogg page"


def _counts_frames(mp3: bytes) -> bool:
    """Whether the first frame (after an ID3 tag) counts the others; else the length is a guess."""
    start = 0
    if mp3[:3] == b"ID3":
        start = 10 + sum(
            byte << shift for byte, shift in zip(mp3[6:10], (21, 14, 7, 0), strict=False)
        )
    first = mp3[start : start + 64]
    return b"Xing" in first or b"Info" in first
