import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from auricle.serve.decode import modified_beam, transducer
from auricle.serve.decode.fusion import Ints, Scorer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.transducer import Floats, Options
from tests.serve.decode.transducers import DIM, VOCAB, Networks, random_networks

Doubles = NDArray[np.float64]

seeds = st.integers(0, 2**32 - 1)
biases = st.floats(-1, 4)
beams = st.integers(1, 6)
lengths = st.lists(st.integers(0, 12), min_size=1, max_size=5)


@dataclass(frozen=True)
class Table:
    """A scorer that knows the token before: every utterance has a table of its own [N, V, V]."""

    scores: Doubles
    state_size: int = 1

    def start(self, num_rows: int) -> Ints:
        return np.zeros((num_rows, 1), np.int64)

    def advance(self, rows: Ints, states: Ints, tokens: Ints) -> tuple[Doubles, Ints]:
        assert (tokens != 0).all()
        return self.scores[rows, states[:, 0], tokens], tokens[:, None]

    def finish(self, rows: Ints, states: Ints) -> Doubles:
        ends: Doubles = self.scores[rows, states[:, 0], 0]
        return ends


def draw_table(seed: int, num_rows: int) -> Table:
    return Table(np.random.default_rng(seed).normal(size=(num_rows, VOCAB, VOCAB)))


def draw_frames(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(*shape, DIM)).astype(np.float32)


@dataclass(frozen=True)
class Setting:
    """What a search is told, besides the frames."""

    networks: Networks
    options: Options
    beam: int
    scorer: Scorer | None = None
    blank_penalty: float = 0.0

    def search(self, encoder_out: Floats, lens: Sequence[int]) -> list[list[Hypothesis]]:
        return modified_beam.search(
            encoder_out, np.array(lens, np.int32), self.networks.decoder, self.networks.joiner,
            self.options, self.beam, self.scorer, self.blank_penalty,
        )  # fmt: skip

    def start(self, num_rows: int) -> list[modified_beam.Beam]:
        return modified_beam.start(num_rows, self.options, self.scorer)

    def move(
        self, encoder_out: Floats, streams: Sequence[modified_beam.Beam]
    ) -> list[modified_beam.Beam]:
        return modified_beam.continue_search(
            encoder_out, streams, self.networks.decoder, self.networks.joiner,
            self.options, self.beam, self.scorer, self.blank_penalty,
        )  # fmt: skip

    def finish(self, streams: Sequence[modified_beam.Beam]) -> list[list[Hypothesis]]:
        return modified_beam.finish(streams, self.options, self.scorer)

    def of_row(self, row: int) -> "Setting":
        """The same for one utterance alone."""
        scorer = self.scorer
        if isinstance(scorer, Table):
            scorer = Table(scorer.scores[row : row + 1])
        return replace(self, scorer=scorer)


settings_of = st.builds(
    lambda seed, bias, size, unk, beam, has_scorer, penalty: Setting(
        random_networks(seed, bias),
        Options(size, unk_id=unk),
        beam,
        draw_table(seed, 5) if has_scorer else None,
        penalty,
    ),
    seeds, biases, st.integers(1, 3), st.sampled_from([None, 2]), beams, st.booleans(),
    st.sampled_from([0.0, 0.0, 1.5, -1.0]),
)  # fmt: skip


@dataclass
class Path:
    score: float
    state: int = 0
    frames: list[float] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)


def score_labels(setting: Setting, frame: Floats, ids: tuple[int, ...]) -> list[float]:
    """Log-probabilities of all labels behind these tokens."""
    options = setting.options
    context = [*[-1] * (options.context_size - 1), options.blank_id, *ids][-options.context_size :]
    decoder_out = setting.networks.decoder(np.array([context]))
    logits = setting.networks.joiner(frame[None], decoder_out)[0]
    logits[options.blank_id] -= np.float32(setting.blank_penalty)
    total = logits.max() + math.log(np.exp(logits - logits.max()).sum())
    return [float(logit) - total for logit in logits]


def search_by_the_textbook(setting: Setting, frames: Floats) -> list[Hypothesis]:
    """One utterance [T, D], a dictionary of its hypotheses; icefall's modified_beam_search."""
    scorer, options = setting.scorer, setting.options
    row = np.zeros(1, np.int64)
    paths: dict[tuple[int, ...], Path] = {(): Path(0.0)}
    for t, frame in enumerate(frames):
        pairs = [
            (path.score + log_prob, ids, label, log_prob)
            for ids, path in paths.items()
            for label, log_prob in enumerate(score_labels(setting, frame, ids))
        ]
        grown: dict[tuple[int, ...], Path] = {}
        for score, ids, label, log_prob in sorted(pairs, key=lambda pair: -pair[0])[: setting.beam]:
            old = paths[ids]
            new, spelled = Path(score, old.state, old.frames, old.log_probs), ids
            if label not in (options.blank_id, options.unk_id):
                spelled = (*ids, label)
                new = Path(score, old.state, [*old.frames, t], [*old.log_probs, log_prob])
                if scorer:
                    state = np.array([[old.state]])
                    added, moved = scorer.advance(row, state, np.array([label]))
                    new.score, new.state = score + added.item(), moved.item()
            if spelled in grown:
                grown[spelled].score = float(np.logaddexp(grown[spelled].score, new.score))
            else:
                grown[spelled] = new
        paths = grown
    if scorer:
        for path in paths.values():
            path.score += scorer.finish(row, np.array([[path.state]])).item()
    found = [Hypothesis(list(ids), path.frames, path.log_probs, score=path.score)
             for ids, path in paths.items()]  # fmt: skip
    return sorted(
        found, key=lambda each: -(each.score or 0) / (options.context_size + len(each.ids))
    )


def check_against(expected: list[Hypothesis], found: list[Hypothesis]) -> None:
    assert [(each.ids, each.frames) for each in found] == [
        (each.ids, each.frames) for each in expected
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-9)  # float64
        assert ours.log_probs == pytest.approx(theirs.log_probs, abs=1e-5)  # float32


@settings(deadline=None)
@given(setting=settings_of, seed=seeds, lens=lengths)
def test_a_batch_finds_what_the_textbook_finds_one_by_one(
    setting: Setting, seed: int, lens: list[int]
) -> None:
    encoder_out = draw_frames(seed, len(lens), max(lens) + 2)
    found = setting.search(encoder_out, lens)
    for row, nbest in enumerate(found):
        frames = encoder_out[row, : lens[row]]
        check_against(search_by_the_textbook(setting.of_row(row), frames), nbest)


@settings(deadline=None)
@given(setting=settings_of, seed=seeds, lens=lengths)
def test_batch_equals_singles(setting: Setting, seed: int, lens: list[int]) -> None:
    encoder_out = draw_frames(seed, len(lens), max(lens) + 2)
    singles = [
        setting.of_row(row).search(encoder_out[row : row + 1, :length], [length])[0]
        for row, length in enumerate(lens)
    ]
    assert setting.search(encoder_out, lens) == singles


@settings(deadline=None)
@given(
    setting=settings_of,
    seed=seeds,
    chunks=st.lists(st.lists(st.integers(1, 3), min_size=5, max_size=5), max_size=3),
)
def test_any_chunking_equals_one_chunk(
    setting: Setting, seed: int, chunks: list[list[int]]
) -> None:
    """Streams that are batched with others in each window, by how much they have to give."""
    lens = np.array(chunks, np.int64).reshape(-1, 5).sum(axis=0)
    encoder_out = draw_frames(seed, 5, int(lens.max()))
    streams = setting.start(5)
    for row in range(5):
        alone = setting.of_row(row)
        start = 0
        for num_frames in (window[row] for window in chunks):
            frames = encoder_out[row : row + 1, start : start + num_frames]
            (streams[row],) = alone.move(frames, [streams[row]])
            start += num_frames
    assert setting.finish(streams) == setting.search(encoder_out, lens.tolist())


@settings(deadline=None)
@given(setting=settings_of, seed=seeds, data=st.data())
def test_streams_of_any_batch_equal_streams_alone(
    setting: Setting, seed: int, data: st.DataObject
) -> None:
    setting = replace(setting, scorer=None)
    encoder_out = draw_frames(seed, 4, 12)
    streams, heard = setting.start(4), [0] * 4
    for _ in range(6):
        rows = data.draw(st.lists(st.integers(0, 3), unique=True, min_size=1))
        if any(heard[row] == 12 for row in rows):
            continue
        frames = np.stack([encoder_out[row, heard[row] : heard[row] + 2] for row in rows])
        for row, moved in zip(
            rows, setting.move(frames, [streams[row] for row in rows]), strict=True
        ):
            streams[row] = moved
            heard[row] += 2
    assert setting.finish(streams) == setting.search(encoder_out, heard)


@settings(deadline=None)
@given(seed=seeds, lens=lengths, blank_bias=biases, unk_id=st.sampled_from([None, 2]))
def test_a_beam_of_one_is_the_greedy_search(
    seed: int, lens: list[int], blank_bias: float, unk_id: int | None
) -> None:
    networks, options = random_networks(seed, blank_bias), Options(2, unk_id=unk_id)
    encoder_out = draw_frames(seed, len(lens), max(lens) + 2)
    found = Setting(networks, options, 1).search(encoder_out, lens)
    greedy = transducer.greedy_search(
        encoder_out, np.array(lens, np.int32), networks.decoder, networks.joiner, options
    )
    assert [[(each.ids, each.frames) for each in nbest] for nbest in found] == [
        [(each.ids, each.frames)] for each in greedy
    ]
    for (ours,), theirs in zip(found, greedy, strict=True):
        assert ours.log_probs == pytest.approx(theirs.log_probs, abs=1e-5)  # float32


@settings(deadline=None, max_examples=20)
@given(seed=seeds, num_frames=st.integers(0, 3), blank_bias=biases)
def test_a_beam_that_holds_everything_adds_up_all_alignments(
    seed: int, num_frames: int, blank_bias: float
) -> None:
    setting = Setting(random_networks(seed, blank_bias), Options(2, unk_id=2), 2000)
    frames = draw_frames(seed, num_frames)
    expected: dict[tuple[int, ...], float] = defaultdict(float)
    for labels in itertools.product(range(VOCAB), repeat=num_frames):
        ids: tuple[int, ...] = ()
        score = 0.0
        for frame, label in zip(frames, labels, strict=True):
            score += score_labels(setting, frame, ids)[label]
            ids = ids if label in (0, 2) else (*ids, label)
        expected[ids] += math.exp(score)
    (found,) = setting.search(frames[None], [num_frames])
    scores = {tuple(each.ids): math.exp(each.score or 0) for each in found}
    assert scores == pytest.approx(dict(expected), abs=1e-9)
    assert sum(scores.values()) == pytest.approx(1, abs=1e-5)


def test_no_utterances_have_no_hypotheses() -> None:
    setting = Setting(random_networks(0, 0), Options(2), 4)
    assert setting.search(np.zeros((0, 5, DIM), np.float32), []) == []
    assert setting.finish([]) == []


def test_an_utterance_of_no_frames_has_the_empty_hypothesis() -> None:
    setting = Setting(random_networks(0, 0), Options(2), 4)
    found = setting.search(np.zeros((1, 5, DIM), np.float32), [0])
    assert found == [[Hypothesis([], [], [], score=0.0)]]


def test_a_search_leaves_the_memory_that_it_was_given() -> None:
    setting = Setting(random_networks(0, -1.0), Options(2), 4, draw_table(0, 2))
    windows = [draw_frames(seed, 2, 5) for seed in range(2)]
    streams = setting.move(windows[0], setting.start(2))
    first = setting.finish(setting.move(windows[1], streams))
    assert setting.finish(setting.move(windows[1], streams)) == first


def test_the_scorer_speaks_of_the_end_only_when_it_comes() -> None:
    setting = Setting(random_networks(0, -1.0), Options(2), 4, draw_table(0, 1))
    streams = setting.move(draw_frames(1, 1, 6), setting.start(1))
    (partial,) = modified_beam.hypotheses(streams, setting.options)
    (final,) = setting.finish(streams)
    scores = [{tuple(each.ids): each.score or 0 for each in nbest} for nbest in (partial, final)]
    table = draw_table(0, 1).scores[0]
    added = {ids: score + table[ids[-1], 0] for ids, score in scores[0].items()}
    assert scores[1] == pytest.approx(added)


def test_the_next_segment_hears_the_best_tokens_of_the_last_as_context() -> None:
    setting = Setting(random_networks(0, -1.0), Options(2), 4)
    streams = setting.move(draw_frames(1, 2, 6), setting.start(2))
    best = [nbest[0].ids[-2:] for nbest in setting.finish(streams)]
    again = modified_beam.restart(streams, setting.options)
    assert [each.contexts.tolist() for each in again] == [[ids] for ids in best]
    assert (
        modified_beam.hypotheses(again, setting.options)
        == [[Hypothesis([], [], [], score=0.0)]] * 2
    )
    assert [each.num_frames for each in again] == [0, 0]


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_the_next_segment_goes_on_behind_what_the_scorer_s_last_word_made_best(seed: int) -> None:
    setting = Setting(random_networks(seed, -1.0), Options(2), 4, draw_table(seed, 2))
    streams = setting.move(draw_frames(seed, 2, 6), setting.start(2))
    best = [(0, 0, *nbest[0].ids)[-2:] for nbest in setting.finish(streams)]
    again = modified_beam.restart(streams, setting.options, setting.scorer)
    spoken = [tuple(max(each, 0) for each in beam.contexts[0].tolist()) for beam in again]
    assert spoken == best


@pytest.mark.parametrize("scorer", [None, draw_table(0, 3)])
def test_a_frame_of_no_numbers_is_blank_and_disturbs_no_neighbour(scorer: Scorer | None) -> None:
    setting = Setting(random_networks(0, -1.0), Options(2), 4, scorer)
    encoder_out = draw_frames(1, 3, 6)
    expected = setting.search(encoder_out, [6, 4, 6])
    encoder_out[1, 4:] = np.nan
    assert setting.search(encoder_out, [6, 6, 6]) == expected
    encoder_out[:] = np.nan
    found = setting.search(encoder_out, [6, 6, 6])
    assert [[each.ids for each in nbest] for nbest in found] == [[[]]] * 3


def test_labels_that_cannot_be_are_in_no_hypothesis() -> None:
    networks = random_networks(0, 0.0)

    def joiner(encoder_out: Floats, decoder_out: Floats) -> Floats:
        logits = networks.joiner(encoder_out, decoder_out)
        logits[:, 2:] = -np.inf
        return logits

    found = modified_beam.search(
        draw_frames(0, 1, 3), np.array([3], np.int32), networks.decoder, joiner, Options(2), 20
    )
    assert sorted(each.ids for each in found[0]) == [[], [1], [1, 1], [1, 1, 1]]
