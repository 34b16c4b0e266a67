"""Small random transducers, whose answer to one row does not depend on the others."""

import dataclasses

import numpy as np

from auricle.serve.decode.transducer import Floats, Ints

VOCAB, DIM = 7, 6


@dataclasses.dataclass(frozen=True)
class Networks:
    """A random stateless decoder and joiner; blank_bias sets how many frames emit."""

    embedding: Floats
    mixing: Floats
    output: Floats
    blank_bias: float

    def decoder(self, y: Ints) -> Floats:
        embedded = np.where((y >= 0)[..., None], self.embedding[y.clip(0)], 0)
        mixed: Floats = (embedded * self.mixing[: y.shape[1], None]).sum(axis=1)
        return mixed

    def joiner(self, encoder_out: Floats, decoder_out: Floats) -> Floats:
        rows = np.tanh(encoder_out + decoder_out)
        logits: Floats = np.stack([row @ self.output for row in rows])
        logits[:, 0] += self.blank_bias
        return logits


def random_networks(seed: int, blank_bias: float) -> Networks:
    noise = np.random.default_rng(seed)

    def draw(*shape: int) -> Floats:
        return noise.normal(size=shape).astype(np.float32)

    return Networks(draw(VOCAB, DIM), draw(3), draw(DIM, VOCAB), blank_bias)
