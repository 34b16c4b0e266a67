"""The two vocabularies, with FunASR's special tokens: pieces and tags, or words cut at "@@"."""

import argparse
import dataclasses
import functools
import random
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from training.mandarin import CHARACTERS, is_mandarin
from training.words import VOCABULARY, training_sentence

BLANK, SOS, EOS = 0, 1, 2
NUM_PIECES = 300  # English ones: most words are whole, for 60 ms is long for a letter
NUM_SENTENCES = 20000
LANGUAGES = ("zh", "en", "yue", "ja", "ko", "nospeech")
EMOTIONS = ("HAPPY", "SAD", "ANGRY", "NEUTRAL", "EMO_UNKNOWN")
EVENTS = ("Speech", "BGM", "Event_UNK")
FORMATS = ("withitn", "woitn")
TAGS = tuple(f"<|{name}|>" for name in (*LANGUAGES, *EMOTIONS, *EVENTS, *FORMATS))
FULL_STOP = {"en": ".", "zh": "。"}


def language(text: str) -> str:
    """SenseVoice's name for the language of a transcript."""
    if not text:
        return "nospeech"
    return "zh" if is_mandarin(text) else "en"


def train_bpe(path: Path, seed: int = 0) -> None:
    """Write SenseVoice's bpe.model: English pieces, characters, full stops, and the tags last."""
    rng = random.Random(seed)
    whole = [*CHARACTERS, *FULL_STOP.values(), *TAGS]
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(training_sentence(rng) for _ in range(NUM_SENTENCES)),
            model_writer=file,
            model_type="bpe",
            vocab_size=NUM_PIECES + len(whole) + 3,
            character_coverage=1.0,
            user_defined_symbols=whole,
            unk_id=BLANK,
            bos_id=SOS,
            eos_id=EOS,
            num_threads=1,
            minloglevel=2,
        )


@dataclasses.dataclass(frozen=True)
class Pieces:
    """SenseVoice's tokens, of bpe.model."""

    bpe: sentencepiece.SentencePieceProcessor

    @classmethod
    def load(cls, path: Path) -> "Pieces":
        return cls(sentencepiece.SentencePieceProcessor(model_file=str(path)))

    @property
    def tokens(self) -> list[str]:
        return [self.bpe.id_to_piece(index) for index in range(self.bpe.get_piece_size())]

    def encode(self, text: str, with_itn: bool = False) -> list[int]:
        """A full stop is all that inverse text normalisation adds here."""
        name = language(text)
        if name == "nospeech":
            return []
        ids = [self.id(character) for character in text] if name == "zh" else self.bpe.encode(text)
        return [*ids, self.id(FULL_STOP[name])] if with_itn else list(ids)

    def tags(self, text: str, with_itn: bool) -> list[int]:
        name = language(text)
        kinds = ("EMO_UNKNOWN", "Event_UNK") if name == "nospeech" else ("NEUTRAL", "Speech")
        names = (name, *kinds, "withitn" if with_itn else "woitn")
        return [self.id(f"<|{tag}|>") for tag in names]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.bpe.decode(list(ids)))

    def id(self, piece: str) -> int:
        return int(self.bpe.piece_to_id(piece))


@dataclasses.dataclass(frozen=True)
class Cuts:
    """Paraformer's tokens.json: a piece that its word continues after ends in "@@"."""

    bpe: sentencepiece.SentencePieceProcessor

    @functools.cached_property
    def tokens(self) -> list[str]:
        cuts = sorted({cut for word in VOCABULARY for cut in self._cut(word)})
        return ["<blank>", "<s>", "</s>", *cuts, *CHARACTERS, "<unk>"]

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def encode(self, text: str) -> list[int]:
        if is_mandarin(text):
            return [self.ids[character] for character in text]
        return [self.ids[cut] for word in text.split() for cut in self._cut(word)]

    def decode(self, ids: Sequence[int]) -> str:
        spaced = " ".join(self.tokens[index] for index in ids if index not in (BLANK, EOS))
        joined = spaced.replace("@@ ", "").removesuffix("@@")
        return joined.replace(" ", "") if is_mandarin(joined) else joined

    def _cut(self, word: str) -> list[str]:
        *begun, last = self.bpe.encode(word, out_type=str)
        cuts = [f"{piece.removeprefix('▁')}@@" for piece in begun]
        return [cut for cut in cuts if cut != "@@"] + [last.removeprefix("▁")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="bpe.model")
    train_bpe(parser.parse_args().out)


if __name__ == "__main__":
    main()
