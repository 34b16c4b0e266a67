"""auricle transcribe: audio to a running server, transcripts to stdout, all else to stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import typer

from auricle.cli import Parameters, TlsCa, TlsCert, TlsKey, split_parameters
from auricle.cli.transcribe import options, steps

if TYPE_CHECKING:
    from auricle.client.corpus import Outcome
    from auricle.client.session import Job


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    audio: options.Audio = None,
    audio_path: options.AudioPath = None,
    wavscp: options.WavScp = None,
    trans: options.Trans = None,
    manifest_dir: options.ManifestDir = None,
    data_dir: options.DataDir = None,
    allow_pipes: options.AllowPipes = False,
    url: options.Url = None,
    server_addr: options.ServerAddr = "localhost",
    server_port: options.ServerPort = None,
    protocol: options.ProtocolOption = options.Protocol.grpc,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    model_name: options.ModelName = None,
    sample_rate: options.SampleRate = 16000,
    num_tasks: options.NumTasks = 16,
    batch_size: options.BatchSize = 1,
    parameter: Parameters = None,
    output: options.Output = None,
    as_json: options.AsJson = False,
    resume: options.Resume = False,
    compute_cer: options.ComputeCer = None,
    normalize: options.Normalize = False,
    max_wer: options.MaxWer = None,
    log_dir: options.LogDir = None,
    log_interval: options.LogInterval = 0,
    verbose: options.Verbose = False,
    _streaming: options.Streaming = False,
    _chunks: options.Chunks = None,
    _dataset: options.Dataset = None,
    _prompt: options.Prompt = None,
    _statistics: options.Statistics = None,
) -> None:
    """Transcribe audio with a running server; score it where transcripts are given."""
    from auricle.client import Credentials, corpus, outputs, session

    steps.start_log(verbose)
    wavscp, trans = steps.find_lists(manifest_dir, wavscp, trans)
    if resume and not output:
        raise typer.BadParameter("--resume continues a file: name it with --output")
    rules = steps.make_rules(trans, compute_cer, normalize, max_wer, log_dir)
    named = steps.Named((audio or []) + (audio_path or []), wavscp, data_dir, allow_pipes)
    utterances = steps.find_utterances(named)
    references = steps.read_references(trans, utterances)
    finished = outputs.keep_finished(output, as_json=as_json) if output and resume else {}
    todo = [one for one in utterances if one.id not in finished]
    credentials = Credentials(ca=tls_ca, certificate=tls_cert, private_key=tls_key)
    server = steps.Server(url, server_addr, server_port, protocol, sample_rate, credentials)
    connect = partial(server.connect, model_name)
    load = corpus.Load(num_tasks, batch_size, as_json, split_parameters(parameter))
    transcribe = partial(corpus.transcribe_corpus, load=load)
    done = session.Run(finished)
    job = session.Job(connect, todo, transcribe, output, appends=resume, as_json=as_json)
    with _progress(job, log_interval) as tell:
        cut_short = steps.carry_out(job, done, tell)
    judged = steps.judge(done, references, rules)
    raise typer.Exit(cut_short or judged)


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
                steps.say(f"auricle: {outcome.id}: {outcome.error}")
            bar.advance(task)
            number = next(numbers)
            if log_interval and not shows_bar and number % log_interval == 0:
                steps.say(f"{number} of {total} done")

        yield tell
