"""Who speaks in auricle stream, how, and what is shown of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import typer

from auricle.cli.stream.display import displayed
from auricle.cli.transcribe import steps

if TYPE_CHECKING:
    from auricle.cli.stream.display import Display
    from auricle.client import AsyncClient
    from auricle.client.manifests import Utterance
    from auricle.client.session import Job, Transcribe
    from auricle.client.verdict import Rules


@dataclass(frozen=True)
class Speech:
    """What the options say of all streams.

    num_tasks: at a time.  chunk_ms: of audio in each request.  is_real_time: files as if spoken.
    connect_second: a client of the second pass's model.  device: of the microphone, if that speaks.
    partials: whether they are shown; None is on a terminal, or for a single stream.
    """

    num_tasks: int
    chunk_ms: float
    is_real_time: bool
    parameters: Mapping[str, str]
    connect_second: "Callable[[], AsyncClient] | None"
    from_microphone: bool
    device: str | None
    partials: bool | None

    def transcribe(self, display: "Display") -> "Transcribe":
        """What sends the streams of a job, and shows them."""
        from auricle.client.streaming.corpus import Speaking, stream_corpus, stream_microphone
        from auricle.client.streaming.feed import Pace
        from auricle.client.streaming.listening import Listening

        pace = Pace(self.chunk_ms, is_real_time=self.is_real_time)
        listening = Listening(self.parameters, display.show, correct=display.correct)
        speaking = Speaking(self.num_tasks, pace, listening, self.connect_second)
        if not self.from_microphone:
            return partial(stream_corpus, speaking=speaking)
        name = self.device
        device = int(name) if name and name.isdecimal() else name
        return partial(stream_microphone, speaking=speaking, device=device)


def find_utterances(
    named: steps.Named, *, from_microphone: bool, simulate: bool
) -> "list[Utterance]":
    from auricle.client.manifests import Utterance

    if not from_microphone:
        return steps.find_utterances(named)
    if named.files or named.wavscp or simulate:
        raise typer.BadParameter("--microphone listens now: leave files and --simulate-streaming")
    return [Utterance("microphone", b"")]


def carry_out(job: "Job", speech: Speech, references: dict[str, str], rules: "Rules") -> int:
    """Hear every stream out and report; the exit code."""
    from auricle.client.session import Run

    run = Run()
    with displayed(speech.partials, len(job.utterances)) as display:
        spoken = replace(job, transcribe=speech.transcribe(display))
        cut_short = steps.carry_out(spoken, run, display.finish)
    judged = steps.judge(run, references, rules)
    return cut_short or judged
