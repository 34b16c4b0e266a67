"""Byte-pair tokens of training sentences, with icefall's ids for <blk>, <sos/eos> and <unk>."""

import argparse
import random
from pathlib import Path

import sentencepiece

from training.words import training_sentence

VOCAB_SIZE = 160
NUM_SENTENCES = 20000


def train_bpe(folder: Path, vocab_size: int = VOCAB_SIZE, seed: int = 0) -> None:
    """Write folder/bpe.model and folder/tokens.txt."""
    rng = random.Random(seed)
    sentences = [training_sentence(rng) for _ in range(NUM_SENTENCES)]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "bpe.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=file,
            model_type="bpe",
            vocab_size=vocab_size,
            character_coverage=1.0,
            pad_id=0,
            pad_piece="<blk>",
            bos_id=1,
            bos_piece="<sos/eos>",
            eos_id=-1,
            unk_id=2,
            num_threads=1,
            minloglevel=2,
        )
    write_tokens(folder)


def load_bpe(path: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def write_tokens(folder: Path) -> None:
    """tokens.txt as icefall writes it: one "piece id" per line."""
    bpe = load_bpe(folder / "bpe.model")
    lines = [f"{bpe.id_to_piece(i)} {i}\n" for i in range(bpe.get_piece_size())]
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    train_bpe(parser.parse_args().folder)


if __name__ == "__main__":
    main()
