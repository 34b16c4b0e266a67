"""The published online Paraformer by its two graphs, window by window or an utterance at once.

A plain loop, one utterance at a time, that shares no code with the server.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.decode import BLANK
from training.evaluate import open_session

Array = NDArray[np.float32]
NEW, AROUND = 10, 5  # frames of 60 ms in a step, and as many before and after them
TAIL_WEIGHT = 0.45  # behind the last frame; FunASR's predictor_conf.tail_threshold
EOS = 2


class Listener:
    """normalise: features [T, 80] to stacked ones [T', 560]."""

    def __init__(self, folder: Path, normalise: Callable[[Array], Array], is_whole: bool) -> None:
        self.encoder, self.decoder = (
            open_session(folder / f"{name}.onnx") for name in ("model", "decoder")
        )
        self.tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
        self.normalise, self.is_whole = normalise, is_whole

    def __call__(self, features: Array) -> str:
        """features: [T, 80], with silence behind what is said."""
        caches = [
            np.zeros((1, *port.shape[1:]), np.float32) for port in self.decoder.get_inputs()[4:]
        ]
        weight, total, ids = 0.0, np.zeros(self.encoder.get_outputs()[0].shape[2], np.float32), []
        for frames, middle, is_last in self._windows(self._embed(features)):
            enc, lens, alphas = self.encoder.run(
                None, {"speech": frames[None], "speech_lengths": np.array([len(frames)], np.int32)}
            )
            pairs = list(zip(enc[0, middle], alphas[0, middle], strict=True))
            if is_last:
                pairs.append((np.zeros_like(total), np.float32(TAIL_WEIGHT)))
            tokens, weight, total = _integrate(pairs, weight, total)
            if tokens:
                values = [enc, lens, np.stack(tokens)[None], np.array([len(tokens)], np.int32)]
                names = [port.name for port in self.decoder.get_inputs()]
                _, found, *caches = self.decoder.run(
                    None, dict(zip(names, [*values, *caches], strict=True))
                )
                ids += found[0].tolist()
        kept = [self.tokens[index] for index in ids if index not in (BLANK, EOS)]
        return " ".join(kept).replace("@@ ", "").removesuffix("@@")

    def _embed(self, features: Array) -> Array:
        stacked = self.normalise(features)
        size = stacked.shape[1]
        scales = np.exp(np.arange(size // 2) * -np.log(10000) / (size / 2 - 1))
        angles = np.arange(1, len(stacked) + 1)[:, None] * scales
        waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        scaled = stacked * np.sqrt(self.encoder.get_outputs()[0].shape[2])
        return np.asarray(scaled + waves, np.float32)

    def _windows(self, embedded: Array) -> Iterator[tuple[Array, slice, bool]]:
        """Frames, those that count, and whether none follow."""
        if self.is_whole:
            yield embedded, slice(None), True
            return
        num_windows = -(-(len(embedded) + AROUND) // NEW)
        behind = NEW * num_windows - len(embedded)
        padded = np.pad(embedded, ((NEW, behind), (0, 0)))
        for number in range(num_windows):
            window = padded[NEW * number :][: NEW + 2 * AROUND]
            yield window, slice(AROUND, AROUND + NEW), number == num_windows - 1


def _integrate(
    pairs: list[tuple[Array, np.float32]], weight: float, total: Array
) -> tuple[list[Array], float, Array]:
    tokens = []
    for hidden, alpha in pairs:
        if weight + alpha < 1:
            weight, total = weight + float(alpha), total + alpha * hidden
            continue
        tokens.append(total + np.float32(1 - weight) * hidden)
        weight = weight + float(alpha) - 1
        total = np.float32(weight) * hidden
    return tokens, weight, total
