"""One run over a corpus: sent, written in the order of the input, kept if it is cut short."""

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from auricle.client import outputs
from auricle.client.client import AsyncClient
from auricle.client.corpus import Outcome, transcribe_corpus
from auricle.client.manifests import Utterance

Transcribe = Callable[[AsyncClient, Sequence[Utterance]], AsyncIterator[Outcome]]


@dataclass(frozen=True)
class Job:
    """Who is asked for what, how, and where the transcripts go.

    connect: called in the event loop that the client will live in.
    transcribe: the outcomes of utterances, as they come.
    output: a file, replaced unless `appends`; None is stdout.
    """

    connect: Callable[[], AsyncClient]
    utterances: Sequence[Utterance]
    transcribe: Transcribe = transcribe_corpus
    output: Path | None = None
    appends: bool = False
    as_json: bool = False


@dataclass
class Run:
    """What came of a job; an interruption leaves it as it stands.

    transcripts: by id; may begin with those of an earlier run.
    """

    transcripts: dict[str, str] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    model: str = ""
    wall_s: float = 0.0


async def carry_out(job: Job, run: Run, tell: Callable[[Outcome], None]) -> None:
    """Fill `run` and the output; `tell` hears of each outcome as it comes."""
    async with job.connect() as client:
        run.model = await client.model()
        line_of = partial(outputs.json_line, model=run.model) if job.as_json else outputs.kaldi_line
        names = [utterance.id for utterance in job.utterances]
        start = time.perf_counter()
        with _open(job) as stream, outputs.Writer(names, stream, line_of) as writer:
            try:
                async for outcome in job.transcribe(client, job.utterances):
                    run.outcomes.append(outcome)
                    if outcome.transcription:
                        run.transcripts[outcome.id] = outcome.transcription.text
                    writer.add(outcome)
                    tell(outcome)
            finally:
                run.wall_s = time.perf_counter() - start


@contextmanager
def _open(job: Job) -> Iterator[TextIO]:
    if job.output is None:
        yield sys.stdout
        return
    job.output.parent.mkdir(parents=True, exist_ok=True)
    with job.output.open("a" if job.appends else "w", encoding="utf-8") as stream:
        yield stream
