from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")

from training.encoder import Encoder, EncoderConfig, subsampled_length  # noqa: E402

CHUNK, LEFT_CONTEXT = 8, 16


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(EncoderConfig(dim=32, num_layers=2, feedforward_dim=64)).eval()


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("num_frames", [7, 8, 9, 10, 11, 100, 203])
def test_output_length_follows_the_formula(encoder: Encoder, num_frames: int) -> None:
    x = torch.randn(1, num_frames, 80)
    encoder_out, lens = encoder(x, torch.tensor([num_frames]))
    assert encoder_out.shape[1] == lens.item() == subsampled_length(num_frames)


def test_padding_beyond_the_longest_changes_nothing(encoder: Encoder) -> None:
    x = torch.randn(2, 120, 80)
    x_lens = torch.tensor([90, 70])
    padded, lens = encoder(x, x_lens)
    trimmed, _ = encoder(x[:, :90], x_lens)
    for row, length in enumerate(lens.tolist()):
        torch.testing.assert_close(padded[row, :length], trimmed[row, :length])


def test_batch_equals_singles(encoder: Encoder) -> None:
    x = torch.randn(2, 120, 80)
    batch, lens = encoder(x, torch.tensor([120, 63]))
    single, _ = encoder(x[1:, :63], torch.tensor([63]))
    torch.testing.assert_close(batch[1, : lens[1]], single[0])


def test_chunk_by_chunk_equals_masked(encoder: Encoder) -> None:
    num_chunks = 6
    x = torch.randn(2, 4 * CHUNK * num_chunks + 3, 80)
    masked, _ = encoder(x, torch.tensor([x.shape[1]] * 2), CHUNK, LEFT_CONTEXT)
    state = encoder.initial_state(2, LEFT_CONTEXT)
    pieces = []
    for index in range(num_chunks):
        start = 4 * CHUNK * index
        piece, state = encoder.forward_chunk(x[:, start : start + 4 * CHUNK + 3], state)
        pieces.append(piece)
    # float32 sums in another order; the outputs are layer-normalised, so about 1 in size
    torch.testing.assert_close(torch.cat(pieces, dim=1), masked, rtol=0, atol=2e-5)


def test_a_chunk_does_not_see_the_next(encoder: Encoder) -> None:
    x = torch.randn(1, 4 * CHUNK * 3 + 3, 80)
    later = x.clone()
    later[:, 4 * CHUNK * 2 + 3 :] = 9.0
    lens = torch.tensor([x.shape[1]])
    before, _ = encoder(x, lens, CHUNK, LEFT_CONTEXT)
    after, _ = encoder(later, lens, CHUNK, LEFT_CONTEXT)
    torch.testing.assert_close(before[:, : 2 * CHUNK], after[:, : 2 * CHUNK])
