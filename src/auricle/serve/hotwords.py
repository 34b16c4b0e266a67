"""Hotwords: words to the token ids that a model takes for them, and lists of them embedded."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np

from auricle.errors import InvalidRequestError
from auricle.serve.options import HotwordIds
from auricle.serve.runner import Array, Runner
from auricle.serve.spelling import CONTINUES, IDEOGRAPH
from auricle.spec import Hotwords

NUM_LISTS = 16  # kept embedded; a list of a hundred words of 512 values has 200 kB
PARTS = re.compile(rf"{IDEOGRAPH.pattern}|\d|(?:(?!{IDEOGRAPH.pattern})[^\d\s])+")


class HotwordTokens:
    """Words as a vocabulary of whole words, ideographs and `@@` pieces spells them."""

    def __init__(self, symbols: Sequence[str], unk_id: int | None, facts: Hotwords) -> None:
        self._ids = {symbol: token_id for token_id, symbol in enumerate(symbols)}
        self._unk_id = unk_id
        self._max_tokens = facts.max_tokens

    def encode(self, word: str) -> tuple[int, ...]:
        """Ideographs one by one, Latin words whole or by their longest pieces from the left.

        What the vocabulary lacks is its <unk>, as for FunASR. InvalidRequestError if there is no
        <unk>, or if there are more tokens than the model takes.
        """
        ids = [token_id for part in PARTS.findall(word) for token_id in self._encode_part(part)]
        if None in ids:
            raise InvalidRequestError(
                f"hotword {word!r} has characters that the model's tokens lack, and no <unk> "
                "stands for them"
            )
        if not 0 < len(ids) <= self._max_tokens:
            raise InvalidRequestError(
                f"hotword {word!r} has {len(ids)} tokens, but this model takes 1 to "
                f"{self._max_tokens}"
            )
        return tuple(token_id for token_id in ids if token_id is not None)

    def _encode_part(self, part: str) -> list[int | None]:
        """The first of the part's spellings that the vocabulary has whole, or else the first."""
        spellings = [list(self._pieces(each)) for each in (part, part.lower(), part.upper())]
        return next((each for each in spellings if self._unk_id not in each), spellings[0])

    def _pieces(self, part: str) -> Iterator[int | None]:
        start = 0
        while start < len(part):
            for end in range(len(part), start, -1):
                symbol = part[start:end] if end == len(part) else part[start:end] + CONTINUES
                if symbol in self._ids:
                    yield self._ids[symbol]
                    break
            else:
                end = start + 1
                yield self._ids.get(part[start:end], self._unk_id)
            start = end


class HotwordEmbedder:
    """Lists of hotwords as the encoder takes them, each embedded once while it is in use."""

    def __init__(self, runner: Runner, facts: Hotwords) -> None:
        self._runner = runner
        self._facts = facts
        self._known: OrderedDict[HotwordIds, Array] = OrderedDict()

    def __call__(self, hotwords: HotwordIds) -> Array:
        """BIAS_EMBED float32 [H, D] of the hotwords and of the entry that ends every list."""
        if hotwords not in self._known:
            self._known[hotwords] = self._embed((*hotwords, (self._facts.last_id,)))
        self._known.move_to_end(hotwords)
        if len(self._known) > NUM_LISTS:
            self._known.popitem(last=False)
        return self._known[hotwords]

    def _embed(self, rows: HotwordIds) -> Array:
        lens = np.array([len(row) for row in rows], np.int32)
        ids = np.zeros((len(rows), self._facts.max_tokens), np.int32)
        for padded, row in zip(ids, rows, strict=True):
            padded[: len(row)] = row
        inputs = {"hotwords": ids, "hotword_lens": lens}
        return self._runner.run("hotword_embedder", [inputs])[0]["hw_embed"]
