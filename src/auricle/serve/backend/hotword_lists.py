"""The value of asr_hotwords: a list of phrases, in any of the forms that clients send.

A sentence says what is wrong, as an UnfitRequestError.
"""

import json
from collections.abc import Iterable
from typing import TypeVar

from auricle import wire
from auricle.errors import InvalidRequestError
from auricle.hotword_files import Hotword, latest, parse_phrase, parse_score
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.values import Value
from auricle.serve.quoting import quote

MAX_HOTWORDS = 1000  # as FunASR's services; each is a row beside every utterance's
MAX_HOTWORDS_LENGTH = 65_536  # characters of them all: 65 each, more than ten tokens spell
EMPTY = ("", "[]", "{}")
T = TypeVar("T")


def read_words(asked: Value) -> list[str]:
    """Words with spaces between, or a JSON list of strings: of a model that embeds them."""
    _check_length(asked)
    words: object = asked
    if isinstance(asked, str):
        words = _parse_json(asked) if asked.lstrip().startswith("[") else asked.split()
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UnfitRequestError(
            "hotwords",
            f"{wire.ASR_HOTWORDS} is {quote(asked)}; give words with spaces between, or a JSON "
            "list of strings",
        )
    return _bounded(dict.fromkeys(words))


def read_hotwords(asked: Value) -> tuple[Hotword, ...]:
    """Phrases with their scores: of a model that searches.

    Words with spaces between; `PHRASE ONE :2.0/PHRASE TWO`, as sherpa-onnx has it, which is known
    by its slash or score; a JSON list of phrases; or a JSON object of phrases and scores.
    """
    _check_length(asked)
    if asked is None or str(asked).strip() in EMPTY:
        return ()
    try:
        return tuple(_bounded(latest(_parse(asked))))
    except InvalidRequestError as error:
        if isinstance(error, UnfitRequestError):
            raise
        raise UnfitRequestError("hotwords", f"{wire.ASR_HOTWORDS}: {error}") from error


def _parse(asked: Value) -> Iterable[Hotword]:
    text = str(asked).strip()
    if text.startswith(("[", "{")):
        return _from_json(asked, _parse_json(text))
    if not isinstance(asked, str):
        raise _no_list(asked)
    if "/" in text or any(word.startswith(":") for word in text.split()):
        return filter(None, map(parse_phrase, text.split("/")))
    return map(Hotword, text.split())


def _from_json(asked: Value, parsed: object) -> Iterable[Hotword]:
    if isinstance(parsed, list):
        parsed = dict.fromkeys(parsed) if all(isinstance(each, str) for each in parsed) else None
    if not isinstance(parsed, dict):
        raise _no_list(asked)
    return [
        Hotword(" ".join(phrase.split()), None if score is None else _score(score))
        for phrase, score in parsed.items()
    ]


def _score(score: object) -> float:
    if isinstance(score, bool) or not isinstance(score, int | float | str):
        raise InvalidRequestError(f"{quote(score)} is no score; give a number, such as 1.5")
    return parse_score(str(score))


def _no_list(asked: Value) -> UnfitRequestError:
    return UnfitRequestError(
        "hotwords",
        f"{wire.ASR_HOTWORDS} is {quote(asked)}; give words with spaces between, a JSON list of "
        "phrases, a JSON object of phrases and scores, or PHRASE ONE :2.0/PHRASE TWO",
    )


def _check_length(asked: Value) -> None:
    if isinstance(asked, str) and len(asked) > MAX_HOTWORDS_LENGTH:
        raise UnfitRequestError(
            "hotwords",
            f"{wire.ASR_HOTWORDS} has {len(asked)} characters, but a request may have "
            f"{MAX_HOTWORDS_LENGTH} at most",
        )


def _bounded(words: Iterable[T]) -> list[T]:
    found = list(words)
    if len(found) > MAX_HOTWORDS:
        raise UnfitRequestError(
            "hotwords",
            f"{wire.ASR_HOTWORDS} has {len(found)} words, but a request may have "
            f"{MAX_HOTWORDS} at most",
        )
    return found


def _parse_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # the latter of brackets in brackets in brackets
        return None
