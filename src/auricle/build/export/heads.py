"""What leaves a served encoder, and how it follows from what the published one gives.

A head is nodes behind the published graph; beside them stands the same in numpy, for parity.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper

from auricle.build.export.graph import Port
from auricle.build.export.session import Array
from auricle.build.frontend.nodes import Nodes
from auricle.errors import ParityError

NUM_TOP = 20  # log-probabilities per frame that leave a CTC graph
Tensors = Mapping[str, Array]


class Head(Protocol):
    def add(
        self, nodes: Nodes, outputs: Sequence[Port], prefix: str
    ) -> tuple[list[onnx.ValueInfoProto], str | None]:
        """The served outputs, and the name of the int64 [N] that counts their frames.

        outputs: the published ones, whose names the prefix makes those in the graph.  None where
        none of them holds lengths: only the features tell the number of frames then, or each is
        one, as in a window of a stream.
        """
        ...

    def differences(
        self, outputs: Sequence[Port], found: Tensors, published: Tensors
    ) -> Iterator[float]:
        """How far the served outputs of one utterance stray; ParityError for other lengths."""
        ...


@dataclass(frozen=True)
class PlainHead:
    """ENCODER_OUT float32 [N, T, D], as a transducer takes it."""

    def add(
        self, nodes: Nodes, outputs: Sequence[Port], prefix: str
    ) -> tuple[list[onnx.ValueInfoProto], str | None]:
        encoder_out = _add_encoder_out(nodes, outputs[0], prefix)
        return [encoder_out], _add_lens(nodes, outputs, prefix)

    def differences(
        self, outputs: Sequence[Port], found: Tensors, published: Tensors
    ) -> Iterator[float]:
        num_frames = _count_frames(outputs, found, published)
        yield _encoder_difference(found, published[outputs[0].name], num_frames)


@dataclass(frozen=True)
class CtcHead:
    """TOPK_LOG_PROBS float32 and TOPK_IDS int32 [N, T, K], best first; BLANK_LOG_PROBS [N, T].

    num_top: K.  log_probs: which of the published outputs.  is_normalized: whether these are
    log-probabilities, not logits.  gives_encoder_out: whether ENCODER_OUT float32 [N, T, D] leaves
    the graph, too, for a rescorer.
    """

    num_top: int
    blank_id: int
    log_probs: int = 0
    is_normalized: bool = True
    gives_encoder_out: bool = False

    def add(
        self, nodes: Nodes, outputs: Sequence[Port], prefix: str
    ) -> tuple[list[onnx.ValueInfoProto], str | None]:
        values = self._add_best(nodes, prefix + outputs[self.log_probs].name)
        if self.gives_encoder_out:
            values.append(_add_encoder_out(nodes, outputs[0], prefix))
        return values, _add_lens(nodes, outputs, prefix)

    def _add_best(self, nodes: Nodes, scores: str) -> list[onnx.ValueInfoProto]:
        log_probs = nodes.add("Cast", scores, to=TensorProto.FLOAT)
        if not self.is_normalized:
            log_probs = nodes.add("LogSoftmax", log_probs, axis=2)
        top, ids = nodes.add_many("TopK", (log_probs, nodes.ints([self.num_top])), 2, axis=2)
        nodes.name(top, "TOPK_LOG_PROBS")
        nodes.name(nodes.add("Cast", ids, to=TensorProto.INT32), "TOPK_IDS")
        blank = nodes.add("Gather", log_probs, nodes.ints(self.blank_id), axis=2)
        nodes.name(blank, "BLANK_LOG_PROBS")
        return [
            value_info("TOPK_LOG_PROBS", TensorProto.FLOAT, "N", "T", self.num_top),
            value_info("TOPK_IDS", TensorProto.INT32, "N", "T", self.num_top),
            value_info("BLANK_LOG_PROBS", TensorProto.FLOAT, "N", "T"),
        ]

    def differences(
        self, outputs: Sequence[Port], found: Tensors, published: Tensors
    ) -> Iterator[float]:
        num_frames = _count_frames(outputs, found, published)
        log_probs = published[outputs[self.log_probs].name][:, :num_frames].astype(np.float32)
        if not self.is_normalized:
            log_probs = log_probs - np.logaddexp.reduce(log_probs, axis=2, keepdims=True)
        top = found["TOPK_LOG_PROBS"][:, :num_frames]
        ids = found["TOPK_IDS"][:, :num_frames].astype(np.int64)
        yield largest_difference(top, np.take_along_axis(log_probs, ids, axis=2))
        yield largest_difference(top, -np.sort(-log_probs, axis=2)[:, :, : self.num_top])
        blank = log_probs[:, :, self.blank_id]
        yield largest_difference(found["BLANK_LOG_PROBS"][:, :num_frames], blank)
        if self.gives_encoder_out:
            yield _encoder_difference(found, published[outputs[0].name], num_frames)


@dataclass(frozen=True)
class CifHead:
    """TOKEN_IDS int32 and TOKEN_LOG_PROBS float32 [N, U], NUM_TOKENS int32 [N].

    has_peaks: whether CIF_PEAKS float32 [N, 3 T] leaves the graph, too, from which times follow.
    """

    has_peaks: bool

    def add(
        self, nodes: Nodes, outputs: Sequence[Port], prefix: str
    ) -> tuple[list[onnx.ValueInfoProto], str | None]:
        log_probs = nodes.add("Cast", prefix + outputs[0].name, to=TensorProto.FLOAT)
        best, ids = nodes.add_many("TopK", (log_probs, nodes.ints([1])), 2, axis=2)
        last = nodes.ints([2])
        nodes.name(nodes.add("Squeeze", best, last), "TOKEN_LOG_PROBS")
        token_ids = nodes.add("Cast", nodes.add("Squeeze", ids, last), to=TensorProto.INT32)
        nodes.name(token_ids, "TOKEN_IDS")
        num_tokens = nodes.add("Cast", prefix + outputs[1].name, to=TensorProto.INT32)
        nodes.name(num_tokens, "NUM_TOKENS")
        values = [
            value_info("TOKEN_IDS", TensorProto.INT32, "N", "U"),
            value_info("TOKEN_LOG_PROBS", TensorProto.FLOAT, "N", "U"),
            value_info("NUM_TOKENS", TensorProto.INT32, "N"),
        ]
        if self.has_peaks:
            peaks = nodes.add("Cast", prefix + outputs[3].name, to=TensorProto.FLOAT)
            # A row without a frame scales nothing by nothing.
            peaks = nodes.add("Where", nodes.add("IsNaN", peaks), nodes.floats(0), peaks)
            nodes.name(peaks, "CIF_PEAKS")
            values.append(value_info("CIF_PEAKS", TensorProto.FLOAT, "N", "S"))
        return values, None

    def differences(
        self, outputs: Sequence[Port], found: Tensors, published: Tensors
    ) -> Iterator[float]:
        num_tokens = _compare_lens(found["NUM_TOKENS"], published[outputs[1].name])
        log_probs = published[outputs[0].name][:, :num_tokens].astype(np.float32)
        best = found["TOKEN_LOG_PROBS"][:, :num_tokens]
        ids = found["TOKEN_IDS"][:, :num_tokens, None].astype(np.int64)
        yield largest_difference(best, np.take_along_axis(log_probs, ids, axis=2)[:, :, 0])
        yield largest_difference(best, log_probs.max(axis=2))
        if self.has_peaks:
            peaks = published[outputs[3].name]
            yield largest_difference(found["CIF_PEAKS"][:, : peaks.shape[1]], peaks)


def value_info(name: str, dtype: int, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def largest_difference(found: Array, expected: Array) -> float:
    """The largest difference: absolute for values up to 1, relative beyond."""
    return float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(initial=0))


def last_dim(port: Port) -> int | str:
    dim = port.shape[-1]
    return dim if isinstance(dim, int) else f"{port.name}_dim"


def _add_encoder_out(nodes: Nodes, port: Port, prefix: str) -> onnx.ValueInfoProto:
    nodes.name(nodes.add("Cast", prefix + port.name, to=TensorProto.FLOAT), "ENCODER_OUT")
    return value_info("ENCODER_OUT", TensorProto.FLOAT, "N", "T", last_dim(port))


def _lens_of(outputs: Sequence[Port]) -> str | None:
    return next((port.name for port in outputs if port.form == ("integer", 1)), None)


def _add_lens(nodes: Nodes, outputs: Sequence[Port], prefix: str) -> str | None:
    lens = _lens_of(outputs)
    return nodes.add("Cast", prefix + lens, to=TensorProto.INT64) if lens else None


def _count_frames(outputs: Sequence[Port], found: Tensors, published: Tensors) -> int:
    """How many frames count; ParityError if the lengths differ, or the time axes of a window."""
    if lens := _lens_of(outputs):
        return _compare_lens(found["OUT_LENS"], published[lens])
    return int(published[outputs[0].name].shape[1])


def _compare_lens(found: Array, published: Array) -> int:
    if found != published:
        raise ParityError(
            f"the adapted graph gives {found[0]} frames or tokens, the original {published[0]}; "
            "nothing was written; please report this checkpoint"
        )
    return int(published[0])


def _encoder_difference(found: Tensors, encoder_out: Array, num_frames: int) -> float:
    return largest_difference(
        found["ENCODER_OUT"][:, :num_frames], encoder_out[:, :num_frames].astype(np.float32)
    )
