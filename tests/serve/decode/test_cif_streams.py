"""What windows of an online Paraformer add to streams, and what a stream's end completes."""

from collections.abc import Sequence

import numpy as np

from auricle.serve.decode import cif
from auricle.serve.decode.hypothesis import Hypothesis

BLANK, END = 0, 2
SPECIAL_IDS = (BLANK, END)
WIDTH = 5


def window(*rows: Sequence[int], open_ids: Sequence[int], has_tail: Sequence[int]) -> cif.Window:
    """Each row's tokens with the open one behind them, then zeros; token k fires at frame 2 k."""
    ids = np.zeros((len(rows), WIDTH), np.int32)
    for row, (token_ids, open_id) in enumerate(zip(rows, open_ids, strict=True)):
        ids[row, : len(token_ids) + 1] = [*token_ids, open_id]
    log_probs = -np.arange(ids.size, dtype=np.float32).reshape(ids.shape)
    frames = np.broadcast_to(2 * np.arange(WIDTH, dtype=np.int32), ids.shape)
    counts = np.array([len(row) for row in rows], np.int32)
    return cif.Window(ids, log_probs, frames, counts, np.array(has_tail, np.int32))


def test_each_stream_gets_its_own_tokens() -> None:
    said = window([5, 6, 7], [], [8], open_ids=[9, 9, 9], has_tail=[0, 0, 0])
    found, opens = cif.continue_search(said, SPECIAL_IDS)
    assert [each.ids for each in found] == [[5, 6, 7], [], [8]]
    assert [each.frames for each in found] == [[0, 2, 4], [], [0]]
    assert [each.log_probs for each in found] == [[0, -1, -2], [], [-10]]
    assert opens == [cif.NOTHING_OPEN] * 3


def test_specials_are_no_text_and_hide_no_other_token() -> None:
    said = window([BLANK, 5, END, 6], open_ids=[7], has_tail=[0])
    (found,), _ = cif.continue_search(said, SPECIAL_IDS)
    assert (found.ids, found.frames, found.log_probs) == ([5, 6], [2, 6], [-1, -3])


def test_an_end_completes_the_open_token_of_a_stream_that_has_nearly_one() -> None:
    said = window([5], [6], open_ids=[7, 8], has_tail=[1, 0])
    _, opens = cif.continue_search(said, SPECIAL_IDS)
    first, second = map(cif.complete, opens)
    assert first == Hypothesis([7], [-1.0], [-1.0])
    assert second == Hypothesis()


def test_an_open_special_completes_nothing() -> None:
    _, (still_open,) = cif.continue_search(window([5], open_ids=[END], has_tail=[1]), SPECIAL_IDS)
    assert cif.complete(still_open) == Hypothesis()
