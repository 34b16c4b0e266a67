"""When a segment of a stream ends by itself: Kaldi's rules of online2/online-endpoint.h."""

import math
from dataclasses import dataclass
from typing import Literal

RuleName = Literal["rule1", "rule2", "rule3"]


@dataclass(frozen=True)
class Rules:
    """Seconds, with sherpa-onnx's defaults; a segment ends by the first rule that holds.

    rule1: of silence, whether or not anything was said.  rule2: of silence after speech.
    rule3: of the segment, whatever is said.  Silence is what lies behind the last token.
    """

    rule1: float = 2.4
    rule2: float = 1.2
    rule3: float = 20.0


NEVER = Rules(math.inf, math.inf, math.inf)


def find_endpoint(
    rules: Rules, seconds: float, trailing_silence: float, *, has_speech: bool
) -> RuleName | None:
    """The rule by which a segment of so many seconds ends now; None if it goes on."""
    if trailing_silence >= rules.rule1:
        return "rule1"
    if has_speech and trailing_silence >= rules.rule2:
        return "rule2"
    return "rule3" if seconds >= rules.rule3 else None
