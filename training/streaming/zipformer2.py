"""icefall's streaming zipformer2, transducer and CTC: its names, axes, metadata; our conformer.

Keys and values are cached apart, the caches of what our blocks lack are handed on as they came,
and processed_lens counts frames of 20 ms, because zipformer2 subsamples once more inside. The last
ten feature frames of the window, which its convolutions look ahead to, are not read.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.encoder import StreamState
from training.export import AUTHOR, Graph
from training.features import NUM_MEL_BINS
from training.model import Recognizer
from training.streaming.chunking import Chunking

PAD_LENGTH = 7 + 2 * 3  # of the convolutions, and of the ConvNeXt layer after them
EMBED_STATES = (128, 3, 19)  # channels, frames, bins of that layer
DOWNSAMPLING = 2  # of our blocks' frames, 40 ms, to those that processed_lens counts
LAYER_STATES = 6


class Zipformer2Encoder(nn.Module):
    """x [N, T, 80] and the states in, the head's output [N, chunk, *] and the next states out."""

    def __init__(self, model: Recognizer, head: nn.Module, chunking: Chunking) -> None:
        super().__init__()
        self.encoder, self.head, self.chunking = model.encoder, head, chunking

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        *layers, embed_states, processed_lens = states
        done = torch.div(processed_lens, DOWNSAMPLING, rounding_mode="floor")
        before = StreamState(
            torch.stack([_keys_values(layers[i:]) for i in range(0, len(layers), LAYER_STATES)]),
            torch.stack(layers[4::LAYER_STATES]),
            done,
        )
        x, after = self.encoder.forward_chunk(x[:, : self.chunking.window], before)
        keys, values = after.attention.transpose(1, 2).chunk(2, dim=3)  # [layers, L, N, D] each
        new_states = list(layers)
        for layer in range(len(keys)):
            first = layer * LAYER_STATES
            new_states[first], new_states[first + 2] = keys[layer], values[layer]
            new_states[first + 4] = after.convolution[layer]
        processed_lens = processed_lens + DOWNSAMPLING * self.chunking.chunk
        return self.head(x), *new_states, embed_states, processed_lens


def _keys_values(layer: Sequence[Tensor]) -> Tensor:
    """cached_key and cached_val1, [L, N, D] each -> [N, L, 2 D]."""
    return torch.cat([layer[0], layer[2]], dim=2).transpose(0, 1)


def _states(model: Recognizer, chunking: Chunking) -> dict[str, tuple[Tensor, int]]:
    """Zeros for a batch of 2, and the axis of the batch."""
    config = model.config.encoder
    left, dim = chunking.left_context, config.dim
    states: dict[str, tuple[Tensor, int]] = {}
    for layer in range(config.num_layers):
        convolution = torch.zeros(2, dim, config.kernel_size - 1)
        states |= {
            f"cached_key_{layer}": (torch.zeros(left, 2, dim), 1),
            f"cached_nonlin_attn_{layer}": (torch.zeros(1, 2, left, 3 * dim // 4), 1),
            f"cached_val1_{layer}": (torch.zeros(left, 2, dim), 1),
            f"cached_val2_{layer}": (torch.zeros(left, 2, dim), 1),
            f"cached_conv1_{layer}": (convolution, 0),
            f"cached_conv2_{layer}": (convolution, 0),
        }
    states["embed_states"] = (torch.zeros(2, *EMBED_STATES), 0)
    states["processed_lens"] = (torch.tensor([0, DOWNSAMPLING * chunking.chunk]), 0)
    return states


def _metadata(model: Recognizer, chunking: Chunking, comment: str) -> dict[str, str]:
    """Our blocks as two stacks, since zipformer2 has a list of them."""
    config = model.config.encoder
    half = config.num_layers // 2
    head_dim = str(config.dim // config.num_heads)
    by_stack = {
        "encoder_dims": str(config.dim),
        "cnn_module_kernels": str(2 * (config.kernel_size - 1) + 1),  # of which half is causal
        "left_context_len": str(chunking.left_context),
        "query_head_dims": head_dim,
        "value_head_dims": head_dim,
        "num_heads": str(config.num_heads),
    }
    return {
        "model_type": "zipformer2",
        "version": "1",
        "model_author": AUTHOR,
        "comment": comment,
        "decode_chunk_len": str(chunking.shift),
        "T": str(chunking.shift + PAD_LENGTH),
        "num_encoder_layers": f"{half},{config.num_layers - half}",
        **{name: f"{value},{value}" for name, value in by_stack.items()},
    }


def _graph(model: Recognizer, chunking: Chunking, head: tuple[str, nn.Module, str]) -> Graph:
    """head: the name of its output, the module, the comment that icefall writes."""
    output, module, comment = head
    states = _states(model, chunking)
    axes = {name: {axis: "N"} for name, (_, axis) in states.items()}
    x = torch.randn(2, chunking.shift + PAD_LENGTH, NUM_MEL_BINS)
    return Graph(
        Zipformer2Encoder(model, module, chunking),
        {"x": x, **{name: state for name, (state, _) in states.items()}},
        (output, *(f"new_{name}" for name in states)),
        {
            "x": {0: "N"},
            output: {0: "N"},
            **axes,
            **{f"new_{name}": axis for name, axis in axes.items()},
        },
        _metadata(model, chunking, comment),
    )


def encoder_graph(model: Recognizer, chunking: Chunking) -> Graph:
    head = ("encoder_out", model.encoder_proj, "streaming zipformer2")
    return _graph(model, chunking, head)


def ctc_graph(model: Recognizer, chunking: Chunking) -> Graph:
    head = nn.Sequential(model.ctc, nn.LogSoftmax(dim=2))
    return _graph(model, chunking, ("log_probs", head, "streaming ctc zipformer2"))
