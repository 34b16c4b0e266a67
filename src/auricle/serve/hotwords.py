"""Hotwords: words to the token ids that a model takes for them, and lists of them embedded."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import chain, islice

import numpy as np

from auricle.errors import InvalidRequestError
from auricle.serve.options import HotwordIds
from auricle.serve.quoting import quote
from auricle.serve.runner import Array, Runner
from auricle.serve.spelling import CONTINUES, IDEOGRAPH
from auricle.spec import Hotwords

NUM_LISTS = 16  # kept embedded; a list of a hundred words of 512 values has 200 kB
PARTS = re.compile(rf"{IDEOGRAPH.pattern}|\d|(?:(?!{IDEOGRAPH.pattern})[^\d\s])+")


class HotwordTokens:
    """Words as a vocabulary of whole words, ideographs and `@@` pieces spells them."""

    def __init__(self, symbols: Sequence[str], unk_id: int | None, facts: Hotwords) -> None:
        self._ids = {symbol: token_id for token_id, symbol in enumerate(symbols)}
        self._longest = max(map(len, symbols))
        self._unk_id = unk_id
        self._max_tokens = facts.max_tokens

    def encode(self, word: str) -> tuple[int, ...]:
        """Ideographs one by one, Latin words whole or by their longest pieces from the left.

        What the vocabulary lacks is its <unk>, as for FunASR. InvalidRequestError if there is no
        <unk>, or if there are more tokens than the model takes; the time that this takes is bounded
        by the latter, not by the word's length.
        """
        parts = (match[0] for match in PARTS.finditer(word))
        ids = self._first(chain.from_iterable(map(self._encode_part, parts)))
        if None in ids:
            raise InvalidRequestError(
                f"hotword {quote(word)} has characters that the model's tokens lack, and no <unk> "
                "stands for them"
            )
        if not 0 < len(ids) <= self._max_tokens:
            many = f"more than {self._max_tokens}" if ids else "no"
            raise InvalidRequestError(
                f"hotword {quote(word)} has {many} tokens, but this model takes 1 to "
                f"{self._max_tokens}"
            )
        return tuple(token_id for token_id in ids if token_id is not None)

    def _encode_part(self, part: str) -> list[int | None]:
        """The first of the part's spellings that the vocabulary has whole, or else the first."""
        cases = (part, part.lower(), part.upper())
        spellings = [self._first(self._pieces(each)) for each in cases]
        return next((each for each in spellings if self._is_whole(each)), spellings[0])

    def _first(self, ids: Iterator[int | None]) -> list[int | None]:
        """As many as the model takes, and one to tell that there are more."""
        return list(islice(ids, self._max_tokens + 1))

    def _is_whole(self, ids: list[int | None]) -> bool:
        return self._unk_id not in ids and len(ids) <= self._max_tokens

    def _pieces(self, part: str) -> Iterator[int | None]:
        start = 0
        while start < len(part):
            for end in range(min(len(part), start + self._longest), start, -1):
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
