"""Transcripts as people write them: numbers, dates and amounts in digits, where that is wanted."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import starmap

from auricle.serve.itn import Itn as Rewrite
from auricle.serve.itn import choose_language, create_itn
from auricle.serve.tokens import Alternative, Transcript
from auricle.spec import Itn


def write(transcript: Transcript, itn: Itn) -> Transcript:
    """With the texts rewritten; tokens and words stay what was said.

    A language without a grammar stays as it is.
    """
    if itn == "off":
        return transcript
    language = choose_language(transcript.language, None if itn == "on" else itn)
    return transcript if language is None else _rewrite(transcript, create_itn(language))


def _rewrite(transcript: Transcript, rewrite: Rewrite) -> Transcript:
    parts = transcript.parts and tuple(
        replace(part, transcript=_rewrite(part.transcript, rewrite)) for part in transcript.parts
    )
    nbest = transcript.nbest and _rewrite_all(transcript.nbest, rewrite)
    return replace(transcript, text=rewrite(transcript.text), nbest=nbest, parts=parts)


def _rewrite_all(nbest: Sequence[Alternative], rewrite: Rewrite) -> tuple[Alternative, ...]:
    """The first of those that are written alike."""
    scores: dict[str, float | None] = {}
    for each in nbest:
        scores.setdefault(rewrite(each.text), each.score)
    return tuple(starmap(Alternative, scores.items()))
