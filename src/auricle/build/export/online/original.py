"""The published graphs run as FunASR's runtime runs them: one stream, one frame after the other.

https://github.com/modelscope/FunASR/blob/main/runtime/python/onnxruntime/funasr_onnx/paraformer_online_bin.py
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from auricle.build.export.graph import Graph, Port
from auricle.build.export.online.features import timescales
from auricle.build.export.online.published import AROUND, KEPT, NEW, WINDOW, Published
from auricle.build.export.reference import Features
from auricle.build.export.session import Array, Session, of_type


@dataclass(frozen=True)
class Said:
    """Of one window: log_probs float32 [U, V], fired int [U], frames of the ten.

    weight, total: what of a token is open then.  caches: the decoder's, as the graph has them.
    """

    log_probs: Array
    fired: list[int]
    weight: float
    total: Array
    caches: list[Array]


class Original:
    def __init__(self, published: Published) -> None:
        self._published = published
        self._encoder = Session(published.encoder.model)
        self._decoder = Session(published.decoder.model)

    def run(self, stacked: Features) -> Iterator[Said]:
        """What each ten of the stacked frames [T, F] of a stream bring."""
        scaled = stacked * np.float32(np.sqrt(self._published.dim))
        placed = scaled + _positions(*scaled.shape)
        seen = np.concatenate([np.zeros((KEPT, scaled.shape[1]), np.float32), placed])
        weight = 0.0
        total: Array = np.zeros(self._published.dim, np.float32)
        caches = [_zeros(port) for port, _ in self._published.caches]
        for start in range(0, len(stacked) - NEW + 1, NEW):
            enc, alphas = self._encode(seen[start : start + WINDOW])
            tokens, fired, weight, total = _integrate(enc, alphas, weight, total)
            log_probs, caches = self._decode(enc, tokens, caches)
            yield Said(log_probs, fired, weight, total, caches)

    def _encode(self, frames: Features) -> tuple[Array, Array]:
        graph = self._published.encoder
        values = [frames[None], np.array([WINDOW])]
        outputs = self._encoder.run(_feed(graph, values))
        enc, _, alphas = (outputs[port.name] for port in graph.outputs)
        return enc[0].astype(np.float32), alphas[0].astype(np.float32)

    def _decode(
        self, enc: Array, tokens: list[Array], caches: list[Array]
    ) -> tuple[Array, list[Array]]:
        graph = self._published.decoder
        if not tokens:
            return np.zeros((0, graph.outputs[0].size), np.float32), caches
        embeds: Array = np.array([tokens], np.float32)
        values = [enc[None], np.array([WINDOW]), embeds, np.array([len(tokens)]), *caches]
        outputs = self._decoder.run(_feed(graph, values))
        logits = outputs[graph.outputs[0].name][0].astype(np.float32)
        length = caches[0].shape[2]  # older exports give all that went through
        kept = [outputs[port.name][:, :, -length:] for _, port in self._published.caches]
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), kept


def _integrate(
    enc: Array, alphas: Array, weight: float, total: Array
) -> tuple[list[Array], list[int], float, Array]:
    tokens, fired = [], []
    for frame in range(NEW):
        hidden, alpha = enc[AROUND + frame], float(alphas[AROUND + frame])
        if weight + alpha < 1:
            weight, total = weight + alpha, total + np.float32(alpha) * hidden
            continue
        tokens.append(total + np.float32(1 - weight) * hidden)
        fired.append(frame)
        weight = weight + alpha - 1
        total = np.float32(weight) * hidden
    return tokens, fired, weight, total


def _positions(num_frames: int, size: int) -> Features:
    angles = np.arange(1, num_frames + 1, dtype=np.float32)[:, None] * timescales(size)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _feed(graph: Graph, values: list[Array]) -> dict[str, Array]:
    return {
        port.name: of_type(port, value) for port, value in zip(graph.inputs, values, strict=True)
    }


def _zeros(port: Port) -> Array:
    return np.zeros((1, *(dim for dim in port.shape[1:] if isinstance(dim, int))), np.float32)
