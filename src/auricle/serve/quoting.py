"""What a caller sent, as error messages echo it: enough to find it, never all of it."""

MAX_CHARACTERS = 40


def quote(sent: object) -> str:
    """Its repr, cut behind MAX_CHARACTERS."""
    if isinstance(sent, str):
        return repr(sent[:MAX_CHARACTERS]) + "..." * (len(sent) > MAX_CHARACTERS)
    text = repr(sent)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "..."
