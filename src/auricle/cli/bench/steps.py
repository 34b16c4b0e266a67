"""What `auricle bench` does before it measures, whether whole utterances or streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from auricle.audio import Waveform
    from auricle.client import Credentials
    from auricle.client.bench.workload import Mix, Waveforms

CALIBRATION_UTTERANCES = 12  # that set the token rate of a random checkpoint


@dataclass(frozen=True)
class Asked:
    """The server, the one of its models, and what every request asks of it."""

    url: str
    model: str | None
    credentials: "Credentials"
    parameters: dict[str, str]


@dataclass(frozen=True)
class Named:
    """Audio as the command line names it."""

    files: Sequence[str]
    wavscp: Path | None


def ask(
    url: str,
    model: str | None,
    tls: tuple[Path | None, Path | None, Path | None],
    parameters: dict[str, str],
) -> Asked:
    """tls: the authority's certificate, the client's, and its key."""
    from auricle.client import Credentials

    authority, certificate, key = tls
    credentials = Credentials(ca=authority, certificate=certificate, private_key=key)
    return Asked(url, model, credentials, parameters)


def find_server(url: str) -> int | None:
    """Its process, if it runs here."""
    from auricle.client.bench import machine

    return machine.find_server(url)


def mix(waveforms: "Waveforms", wanted: "Mix | None", sample_rate: int) -> "Waveforms":
    """Utterances joined to longer ones, where that is wanted."""
    from auricle.client.bench import workload

    return workload.mix(waveforms, wanted, sample_rate) if wanted else waveforms


def read_audio(named: Named, sample_rate: int) -> "Waveforms":
    from auricle.client.bench import workload
    from auricle.client.manifests import find_audio, read_wav_scp

    utterances = find_audio(named.files) + (read_wav_scp(named.wavscp) if named.wavscp else [])
    if not utterances:
        raise typer.BadParameter("name some audio: files, folders, or --wavscp")
    return workload.read(utterances, sample_rate)


def write_checkpoint(
    folder: Path, waveforms: "Waveforms", sample_rate: int, seed: int, *, streaming: bool
) -> None:
    """A transducer of random weights, whose token rate on these waveforms is that of speech."""
    from auricle.build import random_checkpoint

    heard = extract_features(list(waveforms.values())[:CALIBRATION_UTTERANCES], sample_rate)
    random_checkpoint.write(folder, heard, seed=seed, streaming=streaming)
    typer.echo(f"wrote a transducer of random weights to {folder}")


def extract_features(
    waveforms: Sequence["Waveform"], sample_rate: int
) -> list["NDArray[np.float32]"]:
    """Kaldi's fbank of each, float32 [num_frames, 80]."""
    from auricle.build.export.reference import kaldi_features
    from auricle.build.frontend.kaldi_fbank import FbankOptions

    return [kaldi_features(waveform, FbankOptions(sample_rate)) for waveform in waveforms]


async def find_model(asked: Asked) -> str:
    """The model that was named, or the server's only one."""
    from auricle.client import AsyncClient

    async with AsyncClient(asked.url, model=asked.model, credentials=asked.credentials) as client:
        return await client.model()
