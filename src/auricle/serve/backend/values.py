"""Values of request parameters."""

import math

from auricle.serve.backend.outcomes import Unfit, UnfitRequestError
from auricle.serve.quoting import quote

Value = str | int | float | bool | None  # what JSON makes of one
YES = frozenset(("true", "1", "1.0", "yes", "on"))
NO = frozenset(("false", "0", "0.0", "no", "off"))


def read_bool(asked: Value, *, default: bool = False) -> bool | None:
    """Default where nothing is asked, None where it is neither."""
    if asked is None:
        return default
    text = str(asked).casefold()
    return True if text in YES else False if text in NO else None


def read_number(kind: Unfit, name: str, asked: Value, bounds: tuple[float, float]) -> float:
    """A number or its text; UnfitRequestError if it is none, or outside the bounds."""
    try:
        number = float(str(asked))
    except ValueError:
        number = math.nan
    least, most = bounds
    if not least <= number <= most:
        raise UnfitRequestError(
            kind, f"{name} is {quote(asked)}; give a number from {least:g} to {most:g}"
        )
    return number


def read_count(kind: Unfit, name: str, asked: Value, most: int) -> int:
    """Likewise, a whole number from 1 on."""
    number = read_number(kind, name, asked, (1, most))
    if number != int(number):
        raise UnfitRequestError(kind, f"{name} is {quote(asked)}; give a whole number")
    return int(number)
