"""auricle transcribe: audio to a running server, transcripts to stdout, all else to stderr."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_UNREACHABLE, TlsCa, TlsCert, TlsKey
from auricle.errors import ManifestError, UnreachableError

if TYPE_CHECKING:
    from auricle.client.corpus import Outcome
    from auricle.client.manifests import Utterance
    from auricle.client.session import Job, Run


class Protocol(str, Enum):
    grpc = "grpc"
    http = "http"

    @property
    def port(self) -> int:
        return {"grpc": 8001, "http": 8000}[self.value]


def _refuse(sentence: str) -> Callable[[object], object]:
    """For flags that other clients have and this one does not serve: refused, never ignored."""

    def callback(value: object) -> object:
        if value:
            raise typer.BadParameter(sentence)
        return value

    return callback


def _host_and_port(url: str | None) -> str | None:
    if url and "://" in url:
        raise typer.BadParameter(f"give host:port, not {url!r}; --protocol chooses grpc or http")
    return url


# What to transcribe. The second spellings are those of Triton-ASR-Client and WeNet's client.py.
Audio = Annotated[list[str] | None, typer.Argument(help="Files, folders, globs, - for stdin.")]
AudioPath = Annotated[
    list[str] | None, typer.Option("--audio-path", "--audio-file", "--audio_file", hidden=True)
]
WavScp = Annotated[Path | None, typer.Option("--wavscp", help="Kaldi's wav.scp: id, path.")]
Trans = Annotated[Path | None, typer.Option("--trans", help="Kaldi's text: id, transcript.")]
ManifestDir = Annotated[
    Path | None, typer.Option("--manifest-dir", help="A folder with wav.scp and trans.txt or text.")
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", "--data_dir", help="Where relative paths start.")
]
AllowPipes = Annotated[
    bool, typer.Option("--allow-pipes", help="Run the shell commands that wav.scp holds.")
]
# Where it is sent.
Url = Annotated[
    str | None,
    typer.Option("--url", "-u", envvar="AURICLE_URL", callback=_host_and_port, help="host:port."),
]
ServerAddr = Annotated[str, typer.Option("--server-addr", help="Host, where no --url is given.")]
ServerPort = Annotated[
    int | None, typer.Option("--server-port", show_default="8001, for http 8000")
]
ProtocolOption = Annotated[Protocol, typer.Option("--protocol", help="KServe v2 over either.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model-name", "--model_name", envvar="AURICLE_MODEL", show_default="the only one there"
    ),
]
SampleRate = Annotated[
    int,
    typer.Option(
        "--sample-rate", "--sample_rate", min=1, help="The model's, Hz; we resample to it."
    ),
]
NumTasks = Annotated[int, typer.Option("--num-tasks", min=1, help="Requests in flight.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Utterances in a request.")]
# What comes back.
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Not to stdout but here.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="An object a line: text, words, latency, model, error.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Keep what --output holds, do the rest.")]
ComputeCer = Annotated[
    bool | None,
    typer.Option(
        "--compute-cer/--compute-wer",
        help="Count characters (beside Chinese, Japanese and Korean, Latin words stay whole).",
        show_default="characters for those languages",
    ),
]
Normalize = Annotated[
    bool, typer.Option("--normalize", help="Score also in lower case without punctuation.")
]
MaxWer = Annotated[
    float | None,
    typer.Option("--max-wer", help="Percent; above it (normalized, if asked) the exit code is 1."),
]
LogDir = Annotated[
    Path | None, typer.Option("--log-dir", help="For icefall's recogs-*.txt and errs-*.txt.")
]
LogInterval = Annotated[
    int, typer.Option("--log-interval", min=0, help="Off a terminal, a line each so many.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every retry.")]
# Known from other clients, for what this one does not do.
STREAMS = _refuse("streams are not served yet; leave the flag out to send whole files")
DATASETS = _refuse("data sets and cuts are not read; write a wav.scp and give it with --wavscp")
PROMPTS = _refuse("no served model takes a prompt yet")
STATISTICS = _refuse("the server's own times are measured by auricle bench")
Streaming = Annotated[
    bool, typer.Option("--streaming", "--simulate-streaming", hidden=True, callback=STREAMS)
]
Chunks = Annotated[
    str | None,
    typer.Option(
        "--chunk-size", "--chunk_size", "--context", "--encoder-right-context",
        "--encoder_right_context", "--subsampling", "--frame-length-ms", "--frame_length_ms",
        "--frame-shift-ms", "--frame_shift_ms", hidden=True, callback=STREAMS,
    ),
]  # fmt: skip
Dataset = Annotated[
    str | None,
    typer.Option(
        "--huggingface-dataset", "--huggingface_dataset", "--dataset-name", "--subset-name",
        "--split-name", "--manifest-filename", hidden=True, callback=DATASETS,
    ),
]  # fmt: skip
Prompt = Annotated[str | None, typer.Option("--text-prompt", hidden=True, callback=PROMPTS)]
Statistics = Annotated[
    str | None, typer.Option("--stats-file", "--stats_file", hidden=True, callback=STATISTICS)
]


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    audio: Audio = None,
    audio_path: AudioPath = None,
    wavscp: WavScp = None,
    trans: Trans = None,
    manifest_dir: ManifestDir = None,
    data_dir: DataDir = None,
    allow_pipes: AllowPipes = False,
    url: Url = None,
    server_addr: ServerAddr = "localhost",
    server_port: ServerPort = None,
    protocol: ProtocolOption = Protocol.grpc,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    model_name: ModelName = None,
    sample_rate: SampleRate = 16000,
    num_tasks: NumTasks = 16,
    batch_size: BatchSize = 1,
    output: Output = None,
    as_json: AsJson = False,
    resume: Resume = False,
    compute_cer: ComputeCer = None,
    normalize: Normalize = False,
    max_wer: MaxWer = None,
    log_dir: LogDir = None,
    log_interval: LogInterval = 0,
    verbose: Verbose = False,
    _streaming: Streaming = False,
    _chunks: Chunks = None,
    _dataset: Dataset = None,
    _prompt: Prompt = None,
    _statistics: Statistics = None,
) -> None:
    """Transcribe audio with a running server; score it where transcripts are given."""
    from auricle.client import AsyncClient, Credentials, corpus, outputs, session, verdict
    from auricle.client.manifests import find_text

    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")
    if manifest_dir:
        wavscp, trans = wavscp or manifest_dir / "wav.scp", trans or find_text(manifest_dir)
    _check_needs(resume and not output, max_wer is not None and not trans)
    utterances = _find_utterances((audio or []) + (audio_path or []), wavscp, data_dir, allow_pipes)
    references = _read_references(trans, utterances) if trans else {}
    finished = outputs.keep_finished(output, as_json=as_json) if output and resume else {}
    address = url or f"{server_addr}:{server_port or protocol.port}"
    credentials = Credentials(ca=tls_ca, certificate=tls_cert, private_key=tls_key)
    connect = partial(
        AsyncClient, address, protocol=protocol.value, model=model_name,
        sample_rate=sample_rate, credentials=credentials,
    )  # fmt: skip
    todo = [one for one in utterances if one.id not in finished]
    load = corpus.Load(num_tasks, batch_size, details=as_json)
    done = session.Run(finished)
    job = session.Job(connect, todo, load, output, appends=resume, as_json=as_json)
    cut_short = _carry_out(job, done, log_interval)
    rules = verdict.Rules(compute_cer, normalize, max_wer, log_dir)
    judged = verdict.judge(done, references, rules)
    if judged.report:
        _say(judged.report)
    raise typer.Exit(cut_short or (0 if judged.is_good else EXIT_FAILED))


def _check_needs(lacks_output: bool, lacks_transcripts: bool) -> None:
    if lacks_output:
        raise typer.BadParameter("--resume continues a file: name it with --output")
    if lacks_transcripts:
        raise typer.BadParameter("--max-wer needs transcripts: give them with --trans")


def _find_utterances(
    named: list[str], wavscp: Path | None, data_dir: Path | None, allow_pipes: bool
) -> "list[Utterance]":
    from auricle.client.manifests import find_audio, read_wav_scp

    if bool(named) == bool(wavscp):
        raise typer.BadParameter("give files, folders, globs or -, or else a --wavscp")
    if wavscp:
        return read_wav_scp(wavscp, folder=data_dir, allow_pipes=allow_pipes)
    return find_audio(named)


def _read_references(trans: Path, utterances: "Sequence[Utterance]") -> dict[str, str]:
    """Transcripts without audio and audio without a transcript are counted and told."""
    from auricle.client.manifests import read_text

    texts, ids = read_text(trans), {utterance.id for utterance in utterances}
    if not texts.keys() & ids:
        raise ManifestError(f"{trans} has no transcript of any of the {len(ids)} utterances")
    for what, odd in (
        ("transcripts without audio", texts.keys() - ids),
        ("utterances without a transcript", ids - texts.keys()),
    ):
        if odd:
            _say(f"{len(odd)} {what}, left out of the score, such as {min(odd)!r}")
    return {name: text for name, text in texts.items() if name in ids}


def _carry_out(job: "Job", run: "Run", log_interval: int) -> int:
    """Transcribe everything; 0, or the exit code of what cut it short."""
    from auricle.client.session import carry_out

    try:
        with _progress(job, log_interval) as tell:
            asyncio.run(carry_out(job, run, tell))
    except KeyboardInterrupt:
        _say("interrupted; what was transcribed is kept")
        return EXIT_INTERRUPTED
    except UnreachableError as error:
        _say(f"auricle: {error}")
        return EXIT_UNREACHABLE
    return 0


@contextmanager
def _progress(job: "Job", log_interval: int) -> "Iterator[Callable[[Outcome], None]]":
    """A bar where stderr is a terminal that does not show the transcripts; else lines, if asked."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    total, numbers = len(job.utterances), count(1)
    shows_bar = sys.stderr.isatty() and (job.output is not None or not sys.stdout.isatty())
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not shows_bar, redirect_stdout=False) as bar:
        task = bar.add_task("transcribing", total=total)

        def tell(outcome: "Outcome") -> None:
            if outcome.error:
                _say(f"auricle: {outcome.id}: {outcome.error}")
            bar.advance(task)
            number = next(numbers)
            if log_interval and not shows_bar and number % log_interval == 0:
                _say(f"{number} of {total} done")

        yield tell


def _say(words: str) -> None:
    typer.echo(words, err=True)
