r"""icefall's recogs-*.txt: `<id>:\tref=['ONE', 'TWO']` and `<id>:\thyp=[...]`, a line each."""

import ast
import re
from pathlib import Path

from auricle.errors import ManifestError

LINE = re.compile(r"(?P<id>\S+):\s+(?P<side>ref|hyp)=(?P<words>\[.*\])")


def read_recogs(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """References and hypotheses by id; ManifestError for a line of another form."""
    texts: dict[str, dict[str, str]] = {"ref": {}, "hyp": {}}
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 ({error})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line.strip())
        words = _words(match["words"]) if match else None
        if match is None or words is None:
            raise ManifestError(
                f"{path}, line {number}: {line[:80]!r} is not `<id>: ref=['WORD', ...]` or "
                "`<id>: hyp=[...]`, as icefall writes recogs; give two files of `<id> <text>` else"
            )
        texts[match["side"]][match["id"]] = " ".join(words)
    return texts["ref"], texts["hyp"]


def _words(text: str) -> list[str] | None:
    try:
        words = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError):
        return None
    return words if all(isinstance(word, str) for word in words) else None
