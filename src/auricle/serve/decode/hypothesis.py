"""What every search returns."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hypothesis:
    """Token ids with, for each, the encoder frame that emitted it and its log-probability there."""

    ids: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
