"""What one request may ask of the recogniser beside its audio."""

from dataclasses import dataclass

from auricle.spec import Decoding


@dataclass(frozen=True)
class DecodingOptions:
    """Utterances with equal `decoding` and `hotwords` can share a run of the encoder.

    language, text_norm: numbers that the encoder takes; None where it takes none.
    hotwords: the token ids of each, without the entry that ends the list.
    """

    decoding: Decoding
    language: int | None = None
    text_norm: int | None = None
    hotwords: tuple[tuple[int, ...], ...] = ()
