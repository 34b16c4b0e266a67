from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from auricle.errors import InvalidRequestError
from auricle.hotword_files import Hotword
from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.hotword_graphs import SCORE, HotwordGraphs


class Encoder:
    """Letters by their codes, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, phrase: str) -> tuple[int, ...]:
        self.asked.append(phrase)
        if "?" in phrase:
            raise InvalidRequestError("no question marks")
        return tuple(map(ord, phrase))


def bonus(graph: ContextGraph | None, text: str) -> float:
    assert graph
    states, total = np.zeros(1, np.int64), 0.0
    for letter in text:
        added, states = graph.step(states, np.array([ord(letter)]))
        total += float(added[0])
    return total + float(graph.finish(states)[0])


@pytest.mark.parametrize(
    ("hotword", "expected"),
    [
        (Hotword("abcd"), 4 * SCORE),
        (Hotword("abcd", 2.0), 8.0),
        (Hotword("abcd", 0.0), 0.0),
        (Hotword("abcd", -1.0), -4.0),
        (Hotword("abcd", 100.0, is_whole=True), 100.0),
    ],
)
def test_a_score_is_of_each_token_or_of_the_whole(hotword: Hotword, expected: float) -> None:
    assert bonus(HotwordGraphs(Encoder())((hotword,)), "xabcd") == pytest.approx(expected)


def test_a_list_is_compiled_once_and_another_one_is_its_own() -> None:
    encode = Encoder()
    graphs = HotwordGraphs(encode)
    first, again = graphs((Hotword("ab"),)), graphs((Hotword("ab"),))
    other = graphs((Hotword("ab", 3.0),))
    assert first is again
    assert encode.asked == ["ab", "ab"]
    assert (bonus(first, "ab"), bonus(other, "ab")) == (3.0, 6.0)


def test_no_hotwords_are_no_graph() -> None:
    assert HotwordGraphs(Encoder())(()) is None


def test_only_the_latest_lists_are_kept() -> None:
    encode = Encoder()
    graphs = HotwordGraphs(encode, num_graphs=2)
    for word in ("a", "b", "a", "c", "a", "b"):
        graphs((Hotword(word),))
    assert encode.asked == ["a", "b", "c", "b"]


def test_what_cannot_be_spelled_is_not_kept() -> None:
    graphs = HotwordGraphs(Encoder())
    for _ in range(2):
        with pytest.raises(InvalidRequestError):
            graphs((Hotword("a"), Hotword("?")))
    assert bonus(graphs((Hotword("a"),)), "a") == SCORE


def test_callers_at_once_get_their_own_lists() -> None:
    graphs = HotwordGraphs(Encoder(), num_graphs=3)

    def ask(number: int) -> float:
        return bonus(graphs((Hotword("ab", float(number)),)), "ab")

    with ThreadPoolExecutor(8) as pool:
        asked = [number % 5 for number in range(400)]
        assert list(pool.map(ask, asked)) == [2.0 * number for number in asked]
