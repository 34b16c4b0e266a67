import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from auricle import audio
from auricle.errors import AudioError

RATE = 16000


def sine(hz: float, rate: int, seconds: float = 0.5) -> NDArray[np.float32]:
    phase = np.arange(int(rate * seconds), dtype=np.float64) * 2 * np.pi * hz / rate
    wave: NDArray[np.float32] = 0.5 * np.sin(phase).astype(np.float32)
    return wave


def encode(
    samples: NDArray[np.float32], rate: int, kind: str = "WAV", subtype: str | None = None
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


WAV, FLAC, OGG, MP3 = (
    encode(sine(440, RATE), RATE, kind) for kind in ("WAV", "FLAC", "OGG", "MP3")
)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_of_any_sample_format_decodes_to_the_same_wave(subtype: str) -> None:
    wave = audio.load(encode(sine(440, RATE), RATE, "WAV", subtype), RATE)
    step = 2**-7 if subtype == "PCM_U8" else 2**-15  # one quantum of the format, or of 16 bits
    np.testing.assert_allclose(wave, sine(440, RATE), atol=step)


@pytest.mark.parametrize(("raw", "error"), [(FLAC, 2**-15), (OGG, 0.05), (MP3, 0.05)])
def test_compressed_formats_decode_in_time(raw: bytes, error: float) -> None:
    wave = audio.load(raw, RATE)
    assert wave.dtype == np.float32
    middle = slice(1000, 7000)  # lossy codecs ring at the edges
    np.testing.assert_allclose(wave[middle], sine(440, RATE)[middle], atol=error)


def test_opus_decodes() -> None:
    raw = encode(sine(440, 48000), 48000, "OGG", "OPUS")
    assert audio.load(raw, RATE).shape == (8000,)


def test_channels_are_mixed_to_their_mean() -> None:
    stereo = np.stack([sine(440, RATE), 0.5 * sine(440, RATE)], axis=1)
    wave = audio.load(encode(stereo, RATE, "WAV", "FLOAT"), RATE)
    np.testing.assert_allclose(wave, 0.75 * sine(440, RATE), atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_resampling_keeps_the_wave(rate: int) -> None:
    wave = audio.load(encode(sine(440, rate), rate, "WAV", "FLOAT"), RATE)
    assert abs(len(wave) - RATE // 2) <= 1
    middle = slice(500, 7500)
    np.testing.assert_allclose(wave[middle], sine(440, RATE)[middle], atol=1e-4)  # soxr HQ: -100 dB


def test_resampling_leaves_no_alias() -> None:
    wave = audio.load(encode(sine(7000, RATE), RATE, "WAV", "FLOAT"), 8000)
    assert np.abs(wave[100:-100]).max() < 1e-4  # 7 kHz has no place below 4 kHz


@pytest.mark.parametrize("rate", [8000, RATE, 44100])
def test_one_sample_stays_audio(rate: int) -> None:
    assert 1 <= len(audio.load(encode(np.ones(1, np.float32), rate), RATE)) <= 2


@settings(deadline=None)
@given(st.data())
@pytest.mark.parametrize("raw", [WAV, FLAC], ids=["wav", "flac"])
def test_no_part_of_a_file_passes_for_the_whole(raw: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(AudioError):
        audio.load(raw[:length], RATE)


def test_an_ogg_cut_inside_its_last_page_is_truncated() -> None:
    with pytest.raises(AudioError, match="last ogg page promises"):
        audio.load(OGG[:-1], RATE)


TAG = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)  # an ID3 tag may precede the count


@pytest.mark.parametrize("tag", [b"", TAG])
def test_an_mp3_that_counts_its_frames_is_truncated_when_they_are_not_there(tag: bytes) -> None:
    raw = tag + encode(sine(440, RATE, seconds=3), RATE, "MP3")
    assert len(audio.load(raw, RATE)) == 3 * RATE
    with pytest.raises(AudioError, match=r"truncated: \d+ of 48000 samples"):
        audio.load(raw[: len(raw) // 2], RATE)


def mp3_without_count(level: float) -> bytes:
    """Three seconds of noise; level 0.5 is a constant bit rate in libsndfile, 0 a varying one."""
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    options = {"bitrate_mode": "CONSTANT" if level else "VARIABLE", "compression_level": level}
    file = io.BytesIO()
    soundfile.write(file, noise, RATE, format="MP3", **options)
    raw = file.getvalue()
    return raw[raw.index(raw[:2], 64) :]  # the count is the first frame


def test_an_mp3_without_a_count_is_read_to_its_end() -> None:
    assert len(audio.load(mp3_without_count(0.5), RATE)) >= 3 * RATE


def test_an_mp3_that_libsndfile_would_leave_half_read_is_refused() -> None:
    with pytest.raises(AudioError, match="varying bit rate without a count"):
        audio.load(mp3_without_count(0), RATE)


@pytest.mark.parametrize("size", [0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_header_written_to_a_pipe_promises_nothing(size: int) -> None:
    raw = bytearray(WAV)
    raw[40:44] = struct.pack("<I", size)
    assert len(audio.load(bytes(raw), RATE)) == 8000


def test_a_truncated_file_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(WAV[:-100])
    with pytest.raises(AudioError, match=r"cut\.wav is truncated: .* 16000 bytes, but 15900 are"):
        audio.load(path, RATE)


def test_a_header_that_promises_terabytes_is_refused() -> None:
    """A flac header counts its samples in 36 bits, which a flipped bit makes enormous."""
    raw = bytearray(FLAC)
    raw[21] |= 0x0F
    raw[22:26] = b"\xff\xff\xff\xff"
    with pytest.raises(AudioError, match="the audio given"):
        audio.load(bytes(raw), RATE)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is empty"),
        (encode(np.zeros(0, np.float32), RATE), "holds no samples"),
        (b"this is no audio at all", "cannot decode .* Known: wav, flac"),
        (b"RIFF", "cannot decode"),
    ],
)
def test_what_is_no_audio_is_said_to_be_none(raw: bytes, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        audio.load(raw, RATE)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"cannot read .*absent\.wav: No such file"):
        audio.load(tmp_path / "absent.wav", RATE)
    with pytest.raises(AudioError, match="Is a directory"):
        audio.load(tmp_path, RATE)


def test_the_import_is_cheap() -> None:
    code = "import sys, auricle.audio; print({'soundfile', 'soxr'} & set(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_waveform_resampled_in_chunks_is_the_one_resampled_whole(rate: int) -> None:
    waveform = np.random.default_rng(0).normal(size=rate).astype(np.float32) / 10
    stream = audio.Resampler(rate, 16000)
    cuts = np.cumsum([1, 3000, 17, 900])
    chunks = [stream(chunk) for chunk in np.split(waveform, cuts)]
    chunks.append(stream(np.zeros(0, np.float32), is_last=True))
    np.testing.assert_array_equal(np.concatenate(chunks), audio.resample(waveform, rate, 16000))
