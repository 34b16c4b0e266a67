"""Spoken forms -> written ones, as a last step: "twenty five dollars" -> "$25"; needs wetext.

The grammars are WeTextProcessing's, compiled, inside the package: nothing is downloaded. Importing
them takes 0.2 to 0.6 s, which the first create_itn pays; a sentence takes 0.3 to 2 ms and holds
the interpreter's lock; the same normaliser serves any number of threads. Texts without a full
stop take time beyond their length (2000 Chinese characters 0.4 s): give segments, not hours.
"""

import re
from collections.abc import Callable
from functools import cache, partial

from auricle.errors import InvalidRequestError

Itn = Callable[[str], str]

LANGUAGES = ("en", "ja", "zh")
# What wetext is not given: it puts a backslash before quotes and backslashes or fails, as at a NUL,
# puts spaces before English marks (but knows the last one of "p.m.") and squeezes white space. Its
# time grows with the length, too, so that all ends of sentences are among it.
BETWEEN = re.compile(
    r"""(
    \s* ["\\\x00-\x1f\x7f\xa0]+ \s* | \s{2,} | ^\s+ | \s+$
    | \s* (?<!\.\w)[,.?!:;]+ (?=\s|$) \s*
    | (?<=[\u3002\uff1f\uff01]) \s*
    )""",
    re.VERBOSE,
)


def choose_language(told: str | None, asked: str | None) -> str | None:
    """Whose grammar a text needs: that of its own language where the model tells it.

    None where that language has no grammar: the text stays as it is.  asked: by the request or
    the operator, for models that tell no language.
    """
    language = told if told is not None else asked
    return language if language in LANGUAGES else None


@cache
def create_itn(language: str) -> Itn:
    """What writes the numbers, dates, amounts and times of a text as they are written.

    Only these change. Small numbers stay words, by the
    grammars' own choice. English in capitals stays in capitals. InvalidRequestError where the
    language has no grammar, or wetext is not installed.
    """
    if language not in LANGUAGES:
        raise InvalidRequestError(
            f"no inverse text normalisation for the language {language!r}; "
            f"known: {', '.join(LANGUAGES)}"
        )
    try:
        import wetext
    except ImportError as error:
        raise InvalidRequestError(
            "inverse text normalisation needs the package wetext: pip install 'auricle[itn]'"
        ) from error
    normalize: Itn = wetext.Normalizer(lang=language, operator="itn").normalize
    write = partial(_write_english, normalize) if language == "en" else normalize
    return partial(_write, write)


def _write(write: Itn, text: str) -> str:
    """Piece by piece; a piece of which the grammar makes nothing stays."""
    pieces = BETWEEN.split(text)
    pieces[::2] = [(write(piece) or piece) if piece else "" for piece in pieces[::2]]
    return "".join(pieces)


def _write_english(normalize: Itn, text: str) -> str:
    """The grammar knows words in lower case only: capitals are taken away and given back."""
    is_upper = text.isupper()
    lowered = text.lower() if is_upper else text[0].lower() + text[1:]
    written = normalize(lowered)
    if written == lowered:
        return text
    if is_upper:
        return written.upper()
    return written[:1].upper() + written[1:] if text[0].isupper() else written
