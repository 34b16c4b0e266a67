"""What FunASR's families share: the files beside a graph, and the features that it takes."""

from collections.abc import Iterable
from pathlib import Path

from auricle.build.checkpoint.files import choose_file
from auricle.build.checkpoint.funasr import read_cmvn
from auricle.build.checkpoint.yaml_files import Value, number
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.build.frontend.lfr import Cmvn, Lfr
from auricle.errors import CheckpointError

SCALE = 32768  # FunASR's samples are those of a 16-bit file
WINDOWS = ("hamming", "povey")


def choose_settings(names: Iterable[str]) -> list[str]:
    """am.mvn and config.yaml."""
    names = list(names)
    return [choose_file(names, "am.mvn"), choose_file(names, "config.yaml")]


def read_frontend(settings: dict[str, Value], cmvn: Path, size: int) -> Frontend:
    """config.yaml's frontend_conf with the statistics of am.mvn, for frames of so many values.

    CheckpointError where they do not fit the graph.
    """
    if not any(name.startswith("frontend_conf.") for name in settings):
        raise CheckpointError(
            "config.yaml has no frontend_conf, which says the features; is it the checkpoint's own?"
        )
    return make_frontend(settings, Cmvn(*read_cmvn(cmvn, size)), size)


def make_frontend(settings: dict[str, Value], cmvn: Cmvn, size: int) -> Frontend:
    """What the settings leave out is as in all that FunASR publishes."""
    window = settings.get("frontend_conf.window", "hamming")
    if window not in WINDOWS:
        raise CheckpointError(f"the checkpoint's window is {window!r}; known: {', '.join(WINDOWS)}")
    num_mel_bins = _number(settings, "n_mels", 80)
    stack = _number(settings, "lfr_m", 7)
    if stack * num_mel_bins != size:
        raise CheckpointError(
            f"config.yaml stacks {stack} frames of {num_mel_bins}, but the graph takes {size} "
            "values a frame; are they of one checkpoint?"
        )
    fbank = FbankOptions(
        sample_rate=_number(settings, "fs", 16000),
        num_mel_bins=num_mel_bins,
        frame_length_ms=_number(settings, "frame_length", 25),
        frame_shift_ms=_number(settings, "frame_shift", 10),
        window="hamming" if window == "hamming" else "povey",
        high_freq=0,
        scale=SCALE,
        snip_edges=True,
    )
    return Frontend(fbank, Lfr(stack, _number(settings, "lfr_n", 6), cmvn))


def _number(settings: dict[str, Value], name: str, default: int) -> int:
    return number(settings, f"frontend_conf.{name}", default)
