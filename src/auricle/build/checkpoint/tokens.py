"""tokens.txt: "symbol id" lines, and what kind of tokens they are."""

from dataclasses import dataclass
from pathlib import Path

from auricle.errors import CheckpointError
from auricle.spec import TokenKind

WORD_START = "▁"  # sentencepiece's mark
BLANKS = ("<blk>", "<blank>", "<eps>")
UNKNOWNS = ("<unk>", "<UNK>")


@dataclass(frozen=True)
class TokenTable:
    symbols: dict[int, str]
    kind: TokenKind
    blank_id: int
    unk_id: int | None

    def require_ids(self, vocab_size: int) -> None:
        """CheckpointError unless every output of the network has a symbol."""
        missing = [token_id for token_id in range(vocab_size) if token_id not in self.symbols]
        if missing:
            raise CheckpointError(
                f"tokens.txt names {len(self.symbols)} tokens, but the network has {vocab_size} "
                f"outputs; without a name: {missing[:5]}; is it the tokens.txt of this checkpoint?"
            )


def read_tokens(path: Path) -> TokenTable:
    symbols: dict[int, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        symbol, _, token_id = line.rstrip().rpartition(" ")
        if not line.strip():
            continue
        if not token_id.isascii() or not token_id.isdigit():
            raise CheckpointError(f"{path}:{number}: {line!r} is not 'symbol id'")
        symbols[int(token_id)] = symbol or " "
    if not symbols:
        raise CheckpointError(f"{path} holds no tokens")
    ids = {symbol: token_id for token_id, symbol in symbols.items()}
    blank_id = next((ids[name] for name in BLANKS if name in ids), 0)
    unk_id = next((ids[name] for name in UNKNOWNS if name in ids), None)
    return TokenTable(symbols, kind_of(symbols.values()), blank_id, unk_id)


def kind_of(symbols: object) -> TokenKind:
    return "bpe"
