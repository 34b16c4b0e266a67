"""Hotwords' automaton against its definition, and against a slow one of nodes and links."""

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.decode.context_graph import ContextGraph, HotwordScorer

Phrase = tuple[int, ...]
PHRASE = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)
SCORE = st.sampled_from([-2.0, 0.5, 1.0, 1.5, 100.0])
LIST = st.dictionaries(PHRASE, SCORE, max_size=8)
SPOKEN = st.lists(st.integers(1, 6), max_size=14)


class Node:
    def __init__(self, token_score: float, worth: float) -> None:
        self.token_score, self.worth, self.completed = token_score, worth, 0.0
        self.stays: float | None = None
        self.next: dict[int, Node] = {}
        self.fail: Node | None = None


class SlowGraph:
    """sherpa-onnx's graph, node by node: token score, fail links, output scores."""

    def __init__(self, phrases: dict[Phrase, float]) -> None:
        self.root = Node(0.0, 0.0)
        prefixes = sorted({p[:n] for p in phrases for n in range(1, len(p) + 1)}, key=len)
        nodes: dict[Phrase, Node] = {(): self.root}
        for prefix in prefixes:
            size, parent = len(prefix), nodes[prefix[:-1]]
            score = max(value for phrase, value in phrases.items() if phrase[:size] == prefix)
            node = Node(score, parent.worth + score)
            parent.next[prefix[-1]] = nodes[prefix] = node
            suffixes = (nodes.get(prefix[start:]) for start in range(1, size))
            node.fail = next((each for each in suffixes if each), self.root)
            is_end = prefix in phrases
            node.completed = node.fail.completed + (node.worth if is_end else 0.0)
            node.stays = node.worth if is_end else node.fail.stays

    def step(self, state: Node, token: int, *, is_strict: bool) -> tuple[float, Node]:
        target = state
        while target.fail and token not in target.next:
            target = target.fail
        moved = target.next.get(token, self.root)
        is_match = target is state and moved is not self.root
        score = moved.token_score if is_match else moved.worth - state.worth
        if is_strict or moved.stays is None:
            return score + moved.completed, moved
        return score + moved.stays - moved.worth, self.root


def compiled(phrases: dict[Phrase, float], *, is_strict: bool = True) -> ContextGraph:
    return ContextGraph(list(phrases), list(phrases.values()), is_strict=is_strict)


def total(graph: ContextGraph, spoken: Sequence[int]) -> float:
    state, bonus = np.zeros(1, np.int64), 0.0
    for token in spoken:
        added, state = graph.step(state, np.array([token]))
        bonus += float(added[0])
    return bonus + float(graph.finish(state)[0])


@settings(deadline=None)
@given(LIST, SPOKEN, st.booleans())
def test_every_step_is_the_slow_graphs(
    phrases: dict[Phrase, float], spoken: list[int], is_strict: bool
) -> None:
    graph, slow = compiled(phrases, is_strict=is_strict), SlowGraph(phrases)
    state, node = np.zeros(1, np.int64), slow.root
    for token in spoken:
        bonus, state = graph.step(state, np.array([token]))
        expected, node = slow.step(node, token, is_strict=is_strict)
        assert bonus[0] == pytest.approx(expected, abs=1e-9)
        assert graph.finish(state)[0] == pytest.approx(-node.worth, abs=1e-9)


@settings(deadline=None)
@given(st.sets(PHRASE, max_size=8), SPOKEN)
def test_a_whole_text_earns_its_phrases_and_nothing_else(
    phrases: set[Phrase], spoken: list[int]
) -> None:
    said = sum(
        len(phrase)
        for phrase in phrases
        for start in range(len(spoken))
        if tuple(spoken[start : start + len(phrase)]) == phrase
    )
    found = total(compiled(dict.fromkeys(phrases, 1.5)), spoken)
    assert found == pytest.approx(1.5 * said)


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [("HEHERSHE", 14), ("HERSHE", 12), ("HISHE", 9), ("SHED", 6), ("HELL", 2), ("HELLO", 7),
     ("DHRHISQ", 4), ("THEN", 2)],
)  # fmt: skip
def test_icefalls_own_examples(spoken: str, expected: float) -> None:
    words = ["S", "HE", "SHE", "SHELL", "HIS", "HERS", "HELLO", "THIS", "THEM"]
    graph = compiled({tuple(map(ord, word)): 1.0 for word in words})
    assert total(graph, list(map(ord, spoken))) == expected


@settings(deadline=None)
@given(LIST, st.lists(SPOKEN, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_hypotheses_at_once_equal_each_alone(
    phrases: dict[Phrase, float], spoken: list[list[int]], random: object
) -> None:
    graph = compiled(phrases)
    length = min(map(len, spoken))
    states = np.zeros(len(spoken), np.int64)
    bonus = np.zeros(len(spoken))
    for at in range(length):
        added, states = graph.step(states, np.array([each[at] for each in spoken]))
        bonus += added
    bonus += graph.finish(states)
    assert bonus.tolist() == [total(graph, each[:length]) for each in spoken]


@settings(deadline=None)
@given(LIST, SPOKEN)
def test_the_order_of_phrases_changes_nothing(
    phrases: dict[Phrase, float], spoken: list[int]
) -> None:
    backwards = dict(reversed(phrases.items()))
    assert total(compiled(phrases), spoken) == total(compiled(backwards), spoken)


def test_where_it_is_not_strict_a_walk_begins_anew_behind_a_phrase() -> None:
    phrases = {(1, 2): 1.0, (1, 2, 3): 1.0, (4, 2): 1.0}
    graph = compiled(phrases, is_strict=False)
    state = np.zeros(1, np.int64)
    paid = []
    for token in (1, 2, 3, 4, 2, 9):
        bonus, state = graph.step(state, np.array([token]))
        paid.append(float(bonus[0]))
    assert paid == [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    assert graph.finish(state).tolist() == [0.0]


def test_a_phrase_that_comes_twice_keeps_its_larger_score() -> None:
    graph = ContextGraph([(1, 2), (1, 2), (1, 2)], [1.0, 3.0, 2.0])
    assert total(graph, [1, 2]) == 6.0


def test_shared_tokens_count_by_the_highest_score() -> None:
    graph = ContextGraph([(1, 2), (1, 3)], [1.0, 3.0])
    assert (total(graph, [1, 2]), total(graph, [1, 3])) == (4.0, 6.0)


def test_a_prefix_is_paid_at_once_and_taken_back() -> None:
    graph = ContextGraph([(1, 2, 3)], [1.5])
    state = np.zeros(1, np.int64)
    paid = []
    for token in (1, 2, 9):
        bonus, state = graph.step(state, np.array([token]))
        paid.append(float(bonus[0]))
    assert paid == [1.5, 1.5, -3.0]


@settings(deadline=None)
@given(st.lists(st.none() | LIST, min_size=1, max_size=4), st.data())
def test_each_utterance_of_a_batch_has_its_own_hotwords(
    lists: list[dict[Phrase, float] | None], data: st.DataObject
) -> None:
    graphs = [None if each is None else compiled(each) for each in lists]
    shared = [graphs[data.draw(st.integers(0, len(graphs) - 1))] for _ in range(3)]
    scorer = HotwordScorer(graphs + shared)
    rows = np.array(data.draw(st.lists(st.integers(0, len(graphs) + 2), min_size=1, max_size=6)))
    spoken = [data.draw(st.lists(st.integers(1, 6), min_size=4, max_size=4)) for _ in rows]
    states, bonus = scorer.start(len(graphs) + 3)[rows], np.zeros(len(rows))
    for at in range(4):
        added, states = scorer.advance(rows, states, np.array([each[at] for each in spoken]))
        bonus += added
    bonus += scorer.finish(rows, states)
    mine = [(graphs + shared)[row] for row in rows]
    expected = [total(g, each) if g else 0.0 for g, each in zip(mine, spoken, strict=True)]
    assert bonus.tolist() == expected


def test_a_scorer_for_nobody_adds_nothing() -> None:
    scorer = HotwordScorer([None, None])
    rows, states = np.array([0, 1]), scorer.start(2)
    bonus, moved = scorer.advance(rows, states, np.array([4, 5]))
    assert bonus.tolist() == scorer.finish(rows, moved).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("phrases", [[(1,) * 5000], [(1,) * n + (2,) for n in range(1, 300)]])
def test_phrases_that_overlap_themselves_take_no_time(phrases: list[Phrase]) -> None:
    started = time.perf_counter()
    graph = ContextGraph(phrases, [1.0] * len(phrases))
    states = np.zeros(10, np.int64)
    for token in [1] * 250 + [3]:
        _, states = graph.step(states, np.full(10, token))
    assert time.perf_counter() - started < 2
    assert states.tolist() == [0] * 10
