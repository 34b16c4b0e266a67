"""What the online Paraformer is trained on is what its runtimes do, window by window."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")

from training.sanm import online  # noqa: E402


def test_windows_overlap_and_every_frame_is_in_one_middle() -> None:
    embedded = torch.arange(1, 28, dtype=torch.float32).view(1, 27, 1)
    windows = online.cut(embedded)
    assert windows.shape == (1, 4, online.WINDOW, 1)
    middles = windows[0, :, online.AROUND : online.AROUND + online.NEW, 0].flatten()
    assert middles.tolist() == [0] * 5 + list(range(1, 28)) + [0] * 8
    assert windows[0, 1, :, 0].tolist() == list(range(1, 21))


@pytest.mark.parametrize("seed", range(5))
def test_tokens_are_what_a_walk_over_the_frames_fires(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(3, 40, generator=generator) * 0.6
    frames = torch.randn(3, 40, 7, generator=generator)
    num_tokens = int(weights.sum(1).min())
    tokens, fired = online.integrate(frames, weights, num_tokens)
    for row in range(3):
        expected, at = walk(frames[row].numpy(), weights[row].numpy())
        np.testing.assert_allclose(tokens[row], expected[:num_tokens], atol=1e-4)
        assert fired[row].tolist() == at[:num_tokens]


def walk(frames: np.ndarray, weights: np.ndarray) -> tuple[list[np.ndarray], list[int]]:  # type: ignore[type-arg]
    tokens, fired, weight, total = [], [], 0.0, np.zeros(frames.shape[1])
    for number, (frame, alpha) in enumerate(zip(frames, weights, strict=True)):
        if weight + alpha < 1:
            weight, total = weight + alpha, total + alpha * frame
            continue
        tokens.append(total + (1 - weight) * frame)
        fired.append(number)
        weight = weight + alpha - 1
        total = weight * frame
    return tokens, fired


def test_a_token_attends_to_the_window_in_which_it_fires() -> None:
    mask = online.attention(torch.tensor([[3, 9, 10, 25]]), num_windows=3)
    seen = [np.flatnonzero(row).tolist() for row in mask[0].numpy()]
    assert [(row[0], row[-1], len(row)) for row in seen] == [
        (0, 19, 20),
        (0, 19, 20),
        (20, 39, 20),
        (40, 59, 20),
    ]


def test_positions_are_funasrs() -> None:
    found = online.positions(3, 4)
    scales = [1, 1e-4]
    expected = [[np.sin(p), np.sin(p * scales[1]), np.cos(p), np.cos(p * scales[1])]
                for p in (1, 2, 3)]  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=1e-6)
