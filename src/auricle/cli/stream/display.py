"""Partial transcripts as they come: live on a terminal, as plain lines off one; always stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from auricle.client import Partial
    from auricle.client.corpus import Outcome

MAX_ROWS = 16  # streams on a terminal at once


class Display(Protocol):
    def show(self, name: str, partial: "Partial") -> None: ...

    def finish(self, outcome: "Outcome") -> None: ...


class Nothing:
    """Only what fails is told."""

    def show(self, name: str, partial: "Partial") -> None:
        pass

    def finish(self, outcome: "Outcome") -> None:
        if outcome.error:
            sys.stderr.write(f"auricle: {outcome.id}: {outcome.error}\n")


class Lines(Nothing):
    """A line for each change: `<id> <seconds> s: <stable text> | <the rest>`."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def show(self, name: str, partial: "Partial") -> None:
        text = (
            f"{partial.stable} | {partial.unstable.strip()}" if partial.unstable else partial.text
        )
        if self._texts.get(name, "") != text:
            self._texts[name] = text
            sys.stderr.write(f"{name} {partial.audio_seconds:.2f} s: {text}\n")

    def finish(self, outcome: "Outcome") -> None:
        self._texts.pop(outcome.id, None)
        super().finish(outcome)


class Rows(Nothing):
    """A row for each stream that runs; what may still change is dim."""

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
            text = Text.assemble((f"{name} ", "bold"), partial.stable, (partial.unstable, "dim"))
            width = options.max_width - len(name) - 1
            yield text if len(text) <= width else text[-width:]  # the newest words
        yield Text(f"{len(self._partials)} streams, {self._finished} finished", "cyan")


@contextmanager
def displayed(shows: bool | None, num_streams: int) -> Iterator[Display]:
    """shows: None is on a terminal, or for a single stream."""
    from rich.console import Console
    from rich.live import Live

    if shows is False or (shows is None and num_streams > 1 and not sys.stderr.isatty()):
        yield Nothing()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        rows, console = Rows(), Console(stderr=True)
        with Live(rows, console=console, transient=True, redirect_stdout=sys.stdout.isatty()):
            yield rows
