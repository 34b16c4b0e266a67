"""What a check says: one line, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from auricle.errors import ServerError


class Level(str, Enum):
    """WARN: it will run, but not as it should. FAIL: it will not."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """advice: what to do; empty where nothing is to be done."""

    level: Level
    subject: str
    found: str
    advice: str = ""


def ok(subject: str, found: str) -> Finding:
    return Finding(Level.OK, subject, found)


def warn(subject: str, found: str, advice: str) -> Finding:
    return Finding(Level.WARN, subject, found, advice)


def fail(subject: str, found: str, advice: str) -> Finding:
    return Finding(Level.FAIL, subject, found, advice)


def refused(subject: str, error: ServerError) -> Finding:
    """Our own errors say what is wrong, and behind a semicolon what to do."""
    found, _, advice = str(error).partition("; ")
    return fail(subject, found, advice)


def tried(subject: str, read: Callable[[], str]) -> Finding:
    try:
        return ok(subject, read())
    except ServerError as error:
        return refused(subject, error)
