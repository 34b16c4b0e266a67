import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.decode import transducer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.transducer import Floats, Ints, Options
from tests.serve.decode.transducers import DIM, Networks, random_networks


def search_frame_by_frame(
    encoder_out: Floats, num_frames: int, networks: Networks, options: Options
) -> Hypothesis:
    """The definition: one utterance, one frame, one joiner call, at most one token."""
    context = [-1] * (options.context_size - 1) + [options.blank_id]
    ids: list[int] = []
    frames: list[float] = []
    log_probs: list[float] = []
    for frame in range(num_frames):
        y = np.array([context[-options.context_size :]])
        logits = networks.joiner(encoder_out[None, frame], networks.decoder(y))[0]
        token = int(logits.argmax())
        if token not in (options.blank_id, options.unk_id):
            log_prob = logits[token] - np.log(np.exp(logits.astype(np.float64)).sum())
            ids.append(token)
            frames.append(frame)
            log_probs.append(float(log_prob))
            context.append(token)
    return Hypothesis(ids, frames, log_probs)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lens=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    blank_bias=st.floats(-1, 4),
    context_size=st.integers(1, 3),
    unk_id=st.sampled_from([None, 2]),
    window=st.integers(1, 40),
)
def test_look_ahead_equals_frame_by_frame(
    seed: int,
    lens: list[int],
    blank_bias: float,
    context_size: int,
    unk_id: int | None,
    window: int,
) -> None:
    networks = random_networks(seed, blank_bias)
    options = Options(context_size, unk_id=unk_id, lookahead=window)
    noise = np.random.default_rng(seed)
    encoder_out: Floats = noise.normal(size=(len(lens), max(lens) + 3, DIM)).astype(np.float32)
    found = transducer.greedy_search(
        encoder_out, np.array(lens, np.int32), networks.decoder, networks.joiner, options
    )
    for row, hypothesis in enumerate(found):
        expected = search_frame_by_frame(encoder_out[row], lens[row], networks, options)
        assert (hypothesis.ids, hypothesis.frames) == (expected.ids, expected.frames)
        # float32 sums in another order
        assert hypothesis.log_probs == pytest.approx(expected.log_probs, abs=1e-4)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_rows=st.integers(1, 4),
    chunks=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    blank_bias=st.floats(-1, 4),
    window=st.integers(1, 12),
)
def test_a_search_continued_chunk_by_chunk_equals_one_over_all_frames(
    seed: int, num_rows: int, chunks: list[int], blank_bias: float, window: int
) -> None:
    networks = random_networks(seed, blank_bias)
    options = Options(2, unk_id=2, lookahead=window)
    noise = np.random.default_rng(seed)
    encoder_out: Floats = noise.normal(size=(num_rows, sum(chunks), DIM)).astype(np.float32)
    contexts = transducer.initial_contexts(num_rows, options)
    dated: list[list[tuple[int, float]]] = [[] for _ in range(num_rows)]
    start = 0
    for num_frames in chunks:
        frames = encoder_out[:, start : start + num_frames]
        found, contexts = transducer.continue_search(
            frames, contexts, networks.decoder, networks.joiner, options
        )
        for row, added in zip(dated, found, strict=True):
            times = [frame + start for frame in added.frames or []]
            row.extend(zip(added.ids, times, strict=True))
        start += num_frames
    for row, frames in zip(dated, encoder_out, strict=True):
        expected = search_frame_by_frame(frames, len(frames), networks, options)
        assert row == list(zip(expected.ids, expected.frames or [], strict=True))


def test_continuing_leaves_the_contexts_that_it_was_given() -> None:
    networks = random_networks(0, blank_bias=-1.0)
    contexts = np.array([[3, 4]])
    encoder_out = np.zeros((1, 5, DIM), np.float32)
    _, behind = transducer.continue_search(
        encoder_out, contexts, networks.decoder, networks.joiner, Options(2)
    )
    assert contexts.tolist() == [[3, 4]] != behind.tolist()


@pytest.mark.parametrize("window", [1, 4, 100])
def test_one_joiner_call_covers_a_window_of_silence(window: int) -> None:
    networks = random_networks(0, blank_bias=100.0)
    calls = []

    def joiner(encoder_out: Floats, decoder_out: Floats) -> Floats:
        calls.append(len(encoder_out))
        return networks.joiner(encoder_out, decoder_out)

    encoder_out = np.zeros((2, 100, DIM), np.float32)
    transducer.greedy_search(
        encoder_out, np.array([100, 100], np.int32), networks.decoder, joiner,
        Options(2, lookahead=window),
    )  # fmt: skip
    assert len(calls) == -(-100 // window)


@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 3)), min_size=1, max_size=5),
        max_size=10,
    )
)
def test_a_cached_decoder_answers_as_the_decoder(batches: list[list[tuple[int, int]]]) -> None:
    decoder = random_networks(0, 0).decoder
    cached = transducer.ContextCache(decoder, capacity=7)
    for batch in batches:
        assert cached(np.array(batch)).tolist() == decoder(np.array(batch)).tolist()


def test_a_context_is_computed_once() -> None:
    asked: list[list[list[int]]] = []

    def decoder(y: Ints) -> Floats:
        asked.append(y.tolist())
        return np.zeros((len(y), 1), np.float32)

    cached = transducer.ContextCache(decoder)
    for _ in range(2):
        cached(np.array([[1, 2], [3, 4], [1, 2]]))
    assert sorted(asked[0]) == [[1, 2], [3, 4]]
    assert len(asked) == 1
