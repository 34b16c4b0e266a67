"""What to transcribe and what was said: wav.scp, text, and files named on the command line.

The formats are Kaldi's: one utterance a line, its id, a space or tab, and the rest of the line.
"""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from auricle.errors import AudioError, ManifestError

SUFFIXES = {".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
STDIN = "-"


@dataclass(frozen=True)
class Pipe:
    """A shell command that writes an audio file to its standard output."""

    command: str


@dataclass(frozen=True)
class Utterance:
    id: str
    source: Path | Pipe | bytes


def read_wav_scp(
    path: Path, *, folder: Path | None = None, allow_pipes: bool = False
) -> list[Utterance]:
    """`<id> <path>` or `<id> <command> |`; ManifestError for duplicates and refused commands.

    A relative path is taken from `folder`, or else from the working directory as Kaldi does, and
    where no such file is, from the folder of the wav.scp.
    """
    utterances = []
    for number, name, rest in _lines(path):
        if not rest:
            raise ManifestError(f"{path}, line {number}: {name!r} has no path")
        if rest.endswith("|") and not allow_pipes:
            raise ManifestError(
                f"{path}, line {number}: {rest!r} would run a shell command; "
                "allow it with --allow-pipes if you trust the file"
            )
        pipe = Pipe(rest[:-1].strip()) if rest.endswith("|") else None
        utterances.append(Utterance(name, pipe or _resolve(rest, path.parent, folder)))
    if not utterances:
        raise ManifestError(f"{path} has no utterances; expected lines of `<id> <path>`")
    return utterances


def read_text(path: Path) -> dict[str, str]:
    """`<id> <transcript>`; an empty transcript is legal, a duplicate id is a ManifestError."""
    return {name: rest for _, name, rest in _lines(path)}


def find_text(folder: Path) -> Path | None:
    """The transcripts beside a wav.scp: trans.txt, or Kaldi's text."""
    paths = (folder / name for name in ("trans.txt", "text"))
    return next((path for path in paths if path.exists()), None)


def find_audio(arguments: Iterable[str]) -> list[Utterance]:
    """Files, folders (searched through), globs and "-" for standard input.

    The id is the file's name without its suffix, or the whole path where two files share one.
    """
    sources: dict[Path | bytes, None] = {}  # a set that keeps the order
    for argument in dict.fromkeys(arguments):
        found = [sys.stdin.buffer.read()] if argument == STDIN else _expand(argument)
        sources.update(dict.fromkeys(found))
    stems = {one: "stdin" if isinstance(one, bytes) else one.stem for one in sources}
    shared = Counter(stems.values())
    utterances: dict[str, Utterance] = {}
    for one, stem in stems.items():
        name = str(one) if isinstance(one, Path) and shared[stem] > 1 else stem
        name = "_".join(name.split())  # an id has no spaces
        if name in utterances:
            raise ManifestError(f"two files would be called {name!r}; name them in a wav.scp")
        utterances[name] = Utterance(name, one)
    return list(utterances.values())


def fetch(source: Path | Pipe | bytes) -> Path | bytes:
    """What audio.load takes; runs the command of a pipe. Raises AudioError."""
    if not isinstance(source, Pipe):
        return source
    done = subprocess.run(source.command, shell=True, capture_output=True, check=False)  # noqa: S602  # asked for with --allow-pipes
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise AudioError(f"{source.command!r} ended with {done.returncode}: {words}")
    return done.stdout


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, id and the rest of every line that is not blank."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 ({error})") from error
    seen: dict[str, list[int]] = defaultdict(list)
    entries = []
    for number, line in enumerate(lines, start=1):
        name, *rest = re.split(r"[ \t]+", line.strip(), maxsplit=1)
        if name:
            seen[name].append(number)
            entries.append((number, name, "".join(rest)))
    _refuse_duplicates(path, seen)
    yield from entries


def _refuse_duplicates(path: Path, seen: dict[str, list[int]]) -> None:
    repeated = {name: numbers for name, numbers in seen.items() if len(numbers) > 1}
    if repeated:
        places = "; ".join(
            f"{name!r} on lines {', '.join(map(str, numbers))}"
            for name, numbers in repeated.items()
        )
        raise ManifestError(f"{path} has ids more than once: {places}")


def _resolve(path: str, beside: Path, folder: Path | None) -> Path:
    if folder is not None:
        return folder / path
    return Path(path) if Path(path).exists() else beside / path


def _expand(argument: str) -> list[Path]:
    path = Path(argument)
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        if not found:
            raise ManifestError(f"no audio in {path}; known: {', '.join(sorted(SUFFIXES))}")
        return found
    if path.exists():
        return [path]
    names = glob(argument, recursive=True)  # noqa: PTH207  # Path.glob takes no absolute pattern
    found = [Path(name) for name in sorted(names)]
    if not found:
        what = "nothing matches" if has_magic(argument) else "no such file or folder:"
        raise ManifestError(f"{what} {argument}")
    return found
