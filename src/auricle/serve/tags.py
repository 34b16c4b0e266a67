"""What SenseVoice says about an utterance before its text: `<|en|><|HAPPY|><|Speech|><|woitn|>`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from auricle.spec import Prompt

TAG = re.compile(r"<\|(.+)\|>")
LANGUAGE = re.compile(r"[a-z]{2,3}")  # the vocabulary has more languages than can be asked for
# https://github.com/modelscope/FunASR/blob/main/funasr/utils/postprocess_utils.py: emoji_dict
EMOTIONS = frozenset(
    ("HAPPY", "SAD", "ANGRY", "NEUTRAL", "FEARFUL", "DISGUSTED", "SURPRISED", "EMO_UNKNOWN")
)
EVENTS = frozenset(
    ("Speech", "BGM", "Applause", "Laughter", "Cry", "Sneeze", "Breath", "Cough", "Sing",
     "Speech_Noise", "GBG", "Event_UNK")
)  # fmt: skip


@dataclass(frozen=True)
class Tags:
    """Names as the model spells them; None where it said nothing of the kind."""

    emotion: str | None = None
    event: str | None = None
    itn: str | None = None


def is_tag(symbol: str) -> bool:
    return TAG.fullmatch(symbol) is not None


def read_tags(symbols: Sequence[str], prompt: Prompt) -> tuple[str | None, Tags]:
    """The language and the rest, each by its name, wherever it stands; the first of a kind wins."""
    names = [match[1] for match in map(TAG.fullmatch, symbols) if match]
    languages = [name for name in names if name in prompt.languages or LANGUAGE.fullmatch(name)]
    kinds = (EMOTIONS, EVENTS, prompt.text_norms)
    found = (next((name for name in names if name in kind), None) for kind in kinds)
    return next(iter(languages), None), Tags(*found)
