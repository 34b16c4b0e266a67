"""What a window's tokens say of when things were said, and where the next window begins.

The rule is openai/whisper's (whisper/transcribe.py): a passage stands between two times, and where
two times follow each other, a passage ends and another one begins. The window after this one begins
where the last whole passage ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Passage:
    """start, end: in steps of 20 ms from the window's start.

    first, last: the places of its tokens, times among them; last is behind them.
    """

    start: int
    end: int
    first: int
    last: int


def cut(ids: Sequence[int], first_timestamp_id: int, length: int) -> tuple[list[Passage], int]:
    """The passages of a window, and the steps from its start to the next one's.

    length: of the audio in it, in steps.
    """
    is_time = [token_id >= first_timestamp_id for token_id in ids]
    ends_alone = is_time[-2:] == [False, True]
    bounds = [place for place in range(1, len(ids)) if is_time[place - 1] and is_time[place]]
    if not bounds:
        times = [
            token_id - first_timestamp_id for token_id in ids if token_id >= first_timestamp_id
        ]
        end = times[-1] if times and times[-1] > 0 else length
        return [Passage(0, end, 0, len(ids))], length
    if ends_alone:
        bounds.append(len(ids))
    passages = [
        Passage(ids[first] - first_timestamp_id, ids[last - 1] - first_timestamp_id, first, last)
        for first, last in zip([0, *bounds], bounds, strict=False)
    ]
    return passages, length if ends_alone else passages[-1].end
