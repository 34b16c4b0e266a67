"""The training losses; the transducer's lattice is walked by anti-diagonals, its gradient derived.

A cell (t, u) has passed t frames and emitted u tokens. All cells with t + u = d depend only on
those with t + u = d - 1, so T + U vector steps over [N, U + 1] replace a loop over T times U cells.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

from training.heads import SOS_EOS, AttentionDecoder

LOG_ZERO = -1e30
IGNORED = -100  # torch's cross entropy skips this target


def _skew(x: Tensor, allowed: Tensor) -> Tensor:
    """[N, T, U + 1] -> [T + U + 1, N, U + 1], cell (t, u) at (t + u, u); LOG_ZERO elsewhere."""
    num_frames, width = x.shape[1:]
    frames = _frame_of_cell(num_frames, width)
    index = frames.clamp(0, num_frames - 1).expand(x.shape[0], -1, -1)
    inside = (frames >= 0) & (frames < num_frames)
    masked = x.masked_fill(~allowed, LOG_ZERO)
    return masked.gather(1, index).masked_fill(~inside, LOG_ZERO).transpose(0, 1).contiguous()


def _unskew(x: Tensor, num_frames: int) -> Tensor:
    """The inverse of _skew."""
    width = x.shape[2]
    diagonal = torch.arange(num_frames).unsqueeze(1) + torch.arange(width)
    return x.transpose(0, 1).gather(1, diagonal.expand(x.shape[1], -1, -1))


def _frame_of_cell(num_frames: int, width: int) -> Tensor:
    """[T + U + 1, U + 1]: t = d - u."""
    return torch.arange(num_frames + width).unsqueeze(1) - torch.arange(width)


def _prefix_scores(blank: Tensor, emit: Tensor) -> Tensor:
    """Log of the summed paths from (0, 0) to each cell, skewed."""
    alpha = torch.full_like(blank, LOG_ZERO)
    alpha[0, :, 0] = 0
    for d in range(1, len(blank)):
        alpha[d] = alpha[d - 1] + blank[d - 1]
        emitted = alpha[d - 1, :, :-1] + emit[d - 1, :, :-1]
        alpha[d, :, 1:] = torch.logaddexp(alpha[d, :, 1:], emitted)
    return alpha


def _suffix_scores(blank: Tensor, emit: Tensor, end: Tensor) -> Tensor:
    """Log of the summed paths from each cell to the end, skewed; end: bool, the cell (T_n, U_n)."""
    beta = torch.full_like(blank, LOG_ZERO)
    beta[-1].masked_fill_(end[-1], 0)
    for d in range(len(blank) - 2, -1, -1):
        beta[d] = beta[d + 1] + blank[d]
        emitted = beta[d + 1, :, 1:] + emit[d, :, :-1]
        beta[d, :, :-1] = torch.logaddexp(beta[d, :, :-1], emitted)
        beta[d].masked_fill_(end[d], 0)
    return beta


class _Lattice(torch.autograd.Function):
    """Negative log of all alignments' summed probability."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, blank: Tensor, emit: Tensor, frame_lens: Tensor, token_lens: Tensor
    ) -> Tensor:
        num_frames, width = blank.shape[1:]
        token = torch.arange(width)
        in_time = torch.arange(num_frames).unsqueeze(1) < frame_lens[:, None, None]
        blanks = _skew(blank, in_time & (token <= token_lens[:, None, None]))
        emits = _skew(emit, in_time & (token < token_lens[:, None, None]))
        end = _frame_of_cell(num_frames, width).unsqueeze(1) == frame_lens[:, None]
        end = end & (token == token_lens[:, None])
        alpha, beta = _prefix_scores(blanks, emits), _suffix_scores(blanks, emits, end)
        before = alpha[:-1] - beta[0, :, :1]
        by_blank = (before + blanks[:-1] + beta[1:]).exp()
        by_emit = F.pad((before + emits[:-1])[:, :, :-1] + beta[1:, :, 1:], (0, 1), value=LOG_ZERO)
        ctx.save_for_backward(_unskew(by_blank, num_frames), _unskew(by_emit.exp(), num_frames))
        return -beta[0, :, 0]

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, ...]:
        by_blank, by_emit = ctx.saved_tensors  # type: ignore[attr-defined]
        scale = -grads[0][:, None, None]
        return scale * by_blank, scale * by_emit, None, None


def transducer_loss(
    logits: Tensor, tokens: Tensor, frame_lens: Tensor, token_lens: Tensor, blank_id: int = 0
) -> Tensor:
    """logits: [N, T, U + 1, V]; tokens: int64 [N, U]; lens: int64 [N]. Returns [N], nats.

    Every utterance has at least one frame; it may have no tokens.
    """
    normalizer = logits.logsumexp(dim=3)
    blank = logits[..., blank_id] - normalizer
    targets = F.pad(tokens, (0, 1))[:, None, :, None].expand(-1, logits.shape[1], -1, 1)
    emit = logits.gather(3, targets).squeeze(3) - normalizer
    return _Lattice.apply(blank, emit, frame_lens, token_lens)  # type: ignore[no-any-return]


def ctc_loss(log_probs: Tensor, tokens: Tensor, frame_lens: Tensor, token_lens: Tensor) -> Tensor:
    """log_probs: [N, T, V]. Returns the sum over utterances, nats; the impossible count 0."""
    return F.ctc_loss(
        log_probs.transpose(0, 1),
        tokens,
        frame_lens,
        token_lens,
        reduction="sum",
        zero_infinity=True,
    )


def reverse_tokens(tokens: Tensor, token_lens: Tensor) -> Tensor:
    """[N, U] with each row's valid part back to front, its padding left in place."""
    index = torch.arange(tokens.shape[1])
    flipped = token_lens.unsqueeze(1) - 1 - index
    return tokens.gather(1, torch.where(flipped >= 0, flipped, index))


def attention_loss(
    decoder: AttentionDecoder, tokens: Tensor, token_lens: Tensor, memory: tuple[Tensor, Tensor]
) -> Tensor:
    """memory: encoder_out and its lengths. Returns the mean over tokens and <eos>, smoothed."""
    logits = decoder(F.pad(tokens, (1, 0), value=SOS_EOS), *memory)
    targets = F.pad(tokens, (0, 1)).scatter(1, token_lens.unsqueeze(1), SOS_EOS)
    beyond = torch.arange(targets.shape[1]) > token_lens.unsqueeze(1)
    targets = targets.masked_fill(beyond, IGNORED)
    return F.cross_entropy(
        logits.transpose(1, 2), targets, ignore_index=IGNORED, label_smoothing=0.1
    )
