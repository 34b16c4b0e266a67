import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")

from torch import Tensor  # noqa: E402

from training.losses import reverse_tokens, transducer_loss  # noqa: E402

Lattice = tuple[Tensor, Tensor]  # logits and tokens
FRAME_LENS = torch.tensor([7, 5, 6, 1])
TOKEN_LENS = torch.tensor([4, 2, 0, 3])


def brute_force(logits: Tensor, tokens: Tensor, num_frames: int, num_tokens: int) -> Tensor:
    """One utterance, cell by cell; torch differentiates it."""
    log_probs = logits.log_softmax(dim=2)
    alpha: dict[tuple[int, int], Tensor] = {(0, 0): logits.new_zeros(())}
    for t in range(num_frames):
        for u in range(num_tokens + 1):
            paths = []
            if t > 0:
                paths.append(alpha[t - 1, u] + log_probs[t - 1, u, 0])
            if u > 0:
                paths.append(alpha[t, u - 1] + log_probs[t, u - 1, tokens[u - 1]])
            if paths:
                alpha[t, u] = torch.stack(paths).logsumexp(dim=0)
    return -(alpha[num_frames - 1, num_tokens] + log_probs[num_frames - 1, num_tokens, 0])


@pytest.fixture
def lattice() -> Lattice:
    torch.manual_seed(0)
    logits = torch.randn(4, 7, 5, 11, dtype=torch.float64, requires_grad=True)
    return logits, torch.randint(1, 11, (4, 4))


def reference(logits: Tensor, tokens: Tensor) -> Tensor:
    rows = zip(logits, tokens, FRAME_LENS.tolist(), TOKEN_LENS.tolist(), strict=True)
    return torch.stack([brute_force(*row) for row in rows])


def test_transducer_loss_is_the_sum_over_all_alignments(lattice: Lattice) -> None:
    actual = transducer_loss(*lattice, FRAME_LENS, TOKEN_LENS)
    torch.testing.assert_close(actual, reference(*lattice))


def test_transducer_gradient_is_that_of_the_sum_over_all_alignments(lattice: Lattice) -> None:
    logits, _ = lattice
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    loss = transducer_loss(*lattice, FRAME_LENS, TOKEN_LENS)
    (actual,) = torch.autograd.grad((loss * weights).sum(), logits)
    (expected,) = torch.autograd.grad((reference(*lattice) * weights).sum(), logits)
    torch.testing.assert_close(actual, expected)


def test_padding_changes_no_loss_and_gets_no_gradient(lattice: Lattice) -> None:
    logits, tokens = lattice
    loss = transducer_loss(logits, tokens, FRAME_LENS, TOKEN_LENS)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert not gradient[1, 5:].any()
    assert not gradient[1, :, 3:].any()


def test_float32_stays_near_float64(lattice: Lattice) -> None:
    logits, tokens = lattice
    single = transducer_loss(logits.float(), tokens, FRAME_LENS, TOKEN_LENS)
    double = transducer_loss(logits, tokens, FRAME_LENS, TOKEN_LENS)
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


def test_reversed_tokens_keep_their_padding() -> None:
    tokens = torch.tensor([[3, 4, 5], [6, 7, 0], [0, 0, 0]])
    backwards = reverse_tokens(tokens, torch.tensor([3, 2, 0]))
    assert backwards.tolist() == [[5, 4, 3], [7, 6, 0], [0, 0, 0]]
