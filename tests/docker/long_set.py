"""A wav.scp set that keeps a server busy for a while: the demo's utterances over and over."""

import shutil
from pathlib import Path

from auricle.client.manifests import read_text, read_wav_scp
from tests.docker.project import ROOT

TEST_WAVS = ROOT / "client" / "test_wavs"


def write(folder: Path, times: int) -> int:
    """wav.scp, text and the audio beside them; the number of utterances."""
    utterances = read_wav_scp(TEST_WAVS / "wav.scp")
    texts = read_text(TEST_WAVS / "text")
    for utterance in utterances:
        assert isinstance(utterance.source, Path)
        shutil.copy(utterance.source, folder / f"{utterance.id}.wav")
    ids = [(f"{one.id}-{turn:03}", one.id) for turn in range(times) for one in utterances]
    scp = "".join(f"{name} {original}.wav\n" for name, original in ids)
    text = "".join(f"{name} {texts[original]}\n" for name, original in ids)
    (folder / "wav.scp").write_text(scp, encoding="utf-8")
    (folder / "text").write_text(text, encoding="utf-8")
    return len(ids)
