"""Values of request parameters."""

Value = str | int | float | bool | None  # what JSON makes of one
YES = frozenset(("true", "1", "1.0", "yes", "on"))
NO = frozenset(("false", "0", "0.0", "no", "off"))


def read_bool(asked: Value, *, default: bool = False) -> bool | None:
    """Default where nothing is asked, None where it is neither."""
    if asked is None:
        return default
    text = str(asked).casefold()
    return True if text in YES else False if text in NO else None
