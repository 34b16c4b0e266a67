"""What auricle transcribe and auricle stream have in common: what is said, done and judged."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_UNREACHABLE
from auricle.cli.transcribe.options import Protocol
from auricle.errors import ManifestError, UnreachableError

if TYPE_CHECKING:
    from auricle.client import AsyncClient, Credentials
    from auricle.client.corpus import Outcome
    from auricle.client.manifests import Utterance
    from auricle.client.session import Job, Run
    from auricle.client.verdict import Rules


@dataclass(frozen=True)
class Named:
    """What is to be transcribed, as the options name it: files or a wav.scp."""

    files: list[str]
    wavscp: Path | None
    data_dir: Path | None
    allow_pipes: bool


@dataclass(frozen=True)
class Server:
    """Where the audio goes, as the options name it; `url` comes before `host` and `port`."""

    url: str | None
    host: str
    port: int | None
    protocol: Protocol
    sample_rate: int
    credentials: "Credentials"

    def connect(self, model: str | None) -> "AsyncClient":
        from auricle.client import AsyncClient

        return AsyncClient(
            self.url or f"{self.host}:{self.port or self.protocol.port}",
            protocol=self.protocol.value,
            model=model,
            sample_rate=self.sample_rate,
            credentials=self.credentials,
        )


def start_log(verbose: bool) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")


def find_lists(
    folder: Path | None, wavscp: Path | None, trans: Path | None
) -> tuple[Path | None, Path | None]:
    """wav.scp and transcripts: those that were named, else those of --manifest-dir."""
    from auricle.client.manifests import find_text

    if not folder:
        return wavscp, trans
    return wavscp or folder / "wav.scp", trans or find_text(folder)


def make_rules(
    trans: Path | None,
    compute_cer: bool | None,
    normalize: bool,
    max_wer: float | None,
    log_dir: Path | None,
) -> "Rules":
    """What --compute-cer to --log-dir say; a limit needs transcripts."""
    from auricle.client.verdict import Rules

    if max_wer is not None and not trans:
        raise typer.BadParameter("--max-wer needs transcripts: give them with --trans")
    return Rules(compute_cer, normalize, max_wer, log_dir)


def find_utterances(named: Named) -> "list[Utterance]":
    from auricle.client.manifests import find_audio, read_wav_scp

    if bool(named.files) == bool(named.wavscp):
        raise typer.BadParameter("give files, folders, globs or -, or else a --wavscp")
    if named.wavscp:
        return read_wav_scp(named.wavscp, folder=named.data_dir, allow_pipes=named.allow_pipes)
    return find_audio(named.files)


def read_references(trans: Path | None, utterances: "Sequence[Utterance]") -> dict[str, str]:
    """Transcripts without audio and audio without a transcript are counted and told."""
    from auricle.client.manifests import read_text

    if not trans:
        return {}
    texts, ids = read_text(trans), {utterance.id for utterance in utterances}
    if not texts.keys() & ids:
        raise ManifestError(f"{trans} has no transcript of any of the {len(ids)} utterances")
    for what, odd in (
        ("transcripts without audio", texts.keys() - ids),
        ("utterances without a transcript", ids - texts.keys()),
    ):
        if odd:
            say(f"{len(odd)} {what}, left out of the score, such as {min(odd)!r}")
    return {name: text for name, text in texts.items() if name in ids}


def carry_out(job: "Job", run: "Run", tell: "Callable[[Outcome], None]") -> int:
    """Transcribe everything; 0, or the exit code of what cut it short."""
    from auricle.client import session

    work = partial(session.carry_out, job, run, tell)
    return run_until_stopped(work, "interrupted; what was transcribed is kept")


def run_until_stopped(work: Callable[[], Coroutine[object, object, None]], farewell: str) -> int:
    """Do it in an event loop; 0, or the exit code of what cut it short: a signal, a lost server."""

    async def until_stopped() -> None:
        task = asyncio.current_task()
        assert task, "it runs in an event loop"
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await work()

    try:
        asyncio.run(until_stopped())
    except (KeyboardInterrupt, asyncio.CancelledError):
        say(farewell)
        return EXIT_INTERRUPTED
    except UnreachableError as error:
        say(f"auricle: {error}")
        return EXIT_UNREACHABLE
    return 0


def judge(run: "Run", references: dict[str, str], rules: "Rules") -> int:
    """Report; 0, or the exit code of what is not good enough."""
    from auricle.client import verdict

    judged = verdict.judge(run, references, rules)
    if judged.report:
        say(judged.report)
    return 0 if judged.is_good else EXIT_FAILED


def say(words: str) -> None:
    typer.echo(words, err=True)
