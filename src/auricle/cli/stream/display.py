"""Partial transcripts as they come: live on a terminal, as plain lines off one; always stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live

    from auricle.client import Partial, Segment
    from auricle.client.corpus import Outcome

MAX_ROWS = 16  # streams on a terminal at once


class Display(Protocol):
    def show(self, name: str, partial: "Partial") -> None:
        """A partial of stream `name`."""

    def correct(self, name: str, segment: "Segment") -> None:
        """What the second pass made of a segment."""

    def finish(self, outcome: "Outcome") -> None:
        """A stream is over."""


class Nothing:
    """Only what fails is told."""

    def show(self, name: str, partial: "Partial") -> None:
        pass

    def correct(self, name: str, segment: "Segment") -> None:
        pass

    def finish(self, outcome: "Outcome") -> None:
        if outcome.error:
            sys.stderr.write(f"auricle: {outcome.id}: {outcome.error}\n")


class Lines(Nothing):
    """A line for each change: `<id> <seconds> s: <text> | <what may still change>`.

    Where a stream has several segments, the text is that of the open one, and each that has ended
    gets a line `<id> <start> to <end> s: <text>`.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def show(self, name: str, partial: "Partial") -> None:
        for segment in _finished(partial):
            sys.stderr.write(f"{name} {_span(segment)}: {segment.text}\n")
        stable, unstable = _open_text(partial)
        text = f"{stable} | {unstable.strip()}" if unstable else stable
        if text and self._texts.get(name) != text:
            sys.stderr.write(f"{name} {partial.audio_seconds:.2f} s: {text}\n")
        self._texts[name] = text

    def correct(self, name: str, segment: "Segment") -> None:
        sys.stderr.write(f"{name} {_span(segment)}, second pass: {segment.text}\n")

    def finish(self, outcome: "Outcome") -> None:
        self._texts.pop(outcome.id, None)
        super().finish(outcome)


class Rows(Nothing):
    """A row for each stream that runs, its newest words; what may still change is dim."""

    def __init__(self) -> None:
        self._partials: dict[str, Partial] = {}
        self._finished = 0

    def show(self, name: str, partial: "Partial") -> None:
        self._partials[name] = partial

    def finish(self, outcome: "Outcome") -> None:
        self._partials.pop(outcome.id, None)
        self._finished += 1
        super().finish(outcome)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        rows = min(MAX_ROWS, options.height or console.height) - 1
        for name, partial in list(self._partials.items())[:rows]:
            stable, unstable = _open_text(partial)
            width = options.max_width - len(name) - 1
            text = Text.assemble(stable, (unstable, "dim"))
            yield Text.assemble((f"{name} ", "bold"), text[-width:])
        yield Text(f"{len(self._partials)} streams, {self._finished} finished", "cyan")


class Speech(Nothing):
    """One stream: its finished segments as lines that stay, and below them the open one."""

    def __init__(self) -> None:
        self.live: Live | None = None
        self._text = ("", "")

    def show(self, name: str, partial: "Partial") -> None:
        for segment in _finished(partial):
            self._print(f"{name} {_span(segment)}: ", segment.text)
        self._text = _open_text(partial)

    def correct(self, name: str, segment: "Segment") -> None:
        self._print(f"{name} {_span(segment)}, second pass: ", segment.text)

    def _print(self, heading: str, text: str) -> None:
        from rich.text import Text

        if self.live:
            self.live.console.print(Text.assemble((heading, "dim"), text))

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        stable, unstable = self._text
        text = Text.assemble(stable, (unstable, "dim"))
        yield from text.wrap(console, options.max_width)[-MAX_ROWS:]


@contextmanager
def displayed(shows: bool | None, num_streams: int) -> Iterator[Display]:
    """shows: None is on a terminal, or for a single stream."""
    is_terminal = sys.stderr.isatty()
    if shows is False or (shows is None and num_streams > 1 and not is_terminal):
        yield Nothing()
    elif not is_terminal:
        yield Lines()
    else:
        with _live(Speech() if num_streams == 1 else Rows()) as display:
            yield display


@contextmanager
def _live(display: Speech | Rows) -> Iterator[Display]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(
        display, console=console, transient=True, redirect_stdout=sys.stdout.isatty()
    ) as live:
        if isinstance(display, Speech):
            display.live = live
        yield display


def _finished(partial: "Partial") -> "list[Segment]":
    """The segments that ended; a stream of a single one shows its text anyway."""
    is_only = partial.is_final and partial.segments and partial.segments[-1].id == 0
    return [] if is_only else [segment for segment in partial.segments if segment.text]


def _open_text(partial: "Partial") -> tuple[str, str]:
    """Of the segment that goes on: what will stay, and what may still change."""
    segment, unstable = partial.open_segment, partial.unstable
    if segment is not None and segment.text.endswith(unstable):
        return segment.text.removesuffix(unstable), unstable
    if partial.is_final and _finished(partial):
        return "", ""
    return partial.stable, unstable


def _span(segment: "Segment") -> str:
    return f"{segment.start or 0.0:.2f} to {segment.end or 0.0:.2f} s"
