"""Lists of hotwords as files: sherpa-onnx's lines, WeNet's hotwords.yaml.

Both the server, which listens for hotwords, and the client, which counts them, read these.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from auricle.errors import InvalidRequestError, ManifestError

YAML_SUFFIXES = (".yaml", ".yml")
MAX_QUOTED = 40  # characters of what is wrong, in a sentence that says so


@dataclass(frozen=True)
class Hotword:
    """A phrase, and its bonus in natural logarithms; it may be negative.

    score: None where nothing is said, and the model's own holds.
    is_whole: whether it is the score of the phrase, as WeNet has it, or of each of its tokens, as
        sherpa-onnx has it.
    """

    phrase: str
    score: float | None = None
    is_whole: bool = False


def read_hotwords(path: Path) -> tuple[Hotword, ...]:
    """`word: score` of a .yaml, as WeNet has it; else a line each, `PHRASE ONE :2.0` or without.

    ManifestError for what cannot be read, with the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 ({error})") from error
    parse = parse_pair if path.suffix.lower() in YAML_SUFFIXES else parse_phrase
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(parse(line))
        except InvalidRequestError as error:
            raise ManifestError(f"{path}, line {number}: {error}") from error
    return latest(hotword for hotword in found if hotword)


def latest(hotwords: Iterable[Hotword]) -> tuple[Hotword, ...]:
    """Each phrase once, in the order of the first of each, as the last of each has it."""
    return tuple({each.phrase: each for each in hotwords}.values())


def parse_phrase(text: str) -> Hotword | None:
    """`PHRASE ONE` or `PHRASE ONE :2.0`, as sherpa-onnx has it; None where nothing is written."""
    *words, last = text.split() or [""]
    if not last.startswith(":"):
        words, last = [*words, last], ""
    if any(word.startswith(":") for word in words):
        raise InvalidRequestError(f"{_quote(text)} has words behind its score; a score comes last")
    if words in ([], [""]):
        if last:
            raise InvalidRequestError(f"{_quote(text)} is a score without a phrase")
        return None
    return Hotword(" ".join(words), parse_score(last[1:]) if last else None)


def parse_pair(text: str) -> Hotword | None:
    """`word: 100`, a pair of a YAML mapping; None for what is blank or a comment."""
    line = text.partition(" #")[0].strip()
    if not line or line.startswith("#") or line in ("---", "..."):
        return None
    key, colon, score = line.rpartition(":")
    phrase = " ".join(_unquoted(key.strip()).split())
    if not (colon and phrase):
        raise InvalidRequestError(f"{_quote(line)} is not `word: score`")
    return Hotword(phrase, parse_score(score.strip()), is_whole=True)


def parse_score(text: str) -> float:
    """InvalidRequestError for what is no finite number."""
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise InvalidRequestError(f"{_quote(text)} is no score; give a number, such as 1.5")
    return score


def _unquoted(key: str) -> str:
    is_quoted = len(key) > 1 and key[0] == key[-1] and key[0] in "'\""
    return key[1:-1] if is_quoted else key


def _quote(text: str) -> str:
    return repr(text[:MAX_QUOTED]) + "..." * (len(text) > MAX_QUOTED)
