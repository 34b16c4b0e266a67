"""The JSON files beside a CTC model of Hugging Face's transformers."""

from pathlib import Path

from auricle.build.checkpoint.json_files import Record, read_json
from auricle.build.checkpoint.tokens import TokenTable
from auricle.errors import CheckpointError

DELIMITER = "|"  # what serving knows as the end of a word; a checkpoint may call it otherwise
# By whatever name a checkpoint has them: what serving knows as no text.
SPECIALS = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}


def read_vocabulary(vocab: Path, settings: Path) -> TokenTable:
    """vocab.json with what tokenizer_config.json says of it: the pad token is CTC's blank.

    https://huggingface.co/docs/transformers/model_doc/wav2vec2: Wav2Vec2CTCTokenizer.
    """
    said = read_json(settings)
    ids = _ids(read_json(vocab), said, vocab) | _added(said)
    by_id = {number: symbol for symbol, number in ids.items()}
    if sorted(by_id) != list(range(len(ids))):
        raise CheckpointError(f"{vocab} has {len(ids)} tokens, but their ids are not 0, 1, 2, ...")
    names = {key: _content(said.get(key, name)) for key, name in SPECIALS.items()}
    if names["pad_token"] not in ids:
        raise CheckpointError(
            f"{vocab} has no {names['pad_token']!r}, which {settings.name} names as pad_token, and "
            "CTC's blank is that; are the two of one checkpoint?"
        )
    told = {names[key]: symbol for key, symbol in SPECIALS.items()}
    told[_content(said.get("word_delimiter_token", DELIMITER))] = DELIMITER
    lowers = said.get("do_lower_case") is True
    symbols = tuple(
        told.get(by_id[number]) or (by_id[number].lower() if lowers else by_id[number])
        for number in range(len(by_id))
    )
    unk_id = ids.get(names["unk_token"])
    return TokenTable(symbols, "delimited", ids[names["pad_token"]], unk_id)


def _ids(record: Record, settings: Record, path: Path) -> dict[str, int]:
    """One language's, where a vocabulary has several, as MMS."""
    if record and all(isinstance(value, dict) for value in record.values()):
        language = settings.get("target_lang")
        if language not in record:
            raise CheckpointError(
                f"{path} has vocabularies of {', '.join(record)}, but tokenizer_config.json has "
                f"target_lang {language!r}; name one of them there, that of the exported adapter"
            )
        record = record[str(language)]  # type: ignore[assignment]
    numbers = {symbol: value for symbol, value in record.items() if type(value) is int}
    if not numbers or len(numbers) < len(record):
        raise CheckpointError(f"{path} is no vocabulary: expected tokens with their numbers")
    return numbers


def _added(settings: Record) -> dict[str, int]:
    """Tokens that the tokenizer got later, as transformers writes them since 4.34."""
    added = settings.get("added_tokens_decoder")
    if not isinstance(added, dict):
        return {}
    return {_content(token): int(number) for number, token in added.items()}


def _content(token: object) -> str:
    """Of a token that is plain text, or a record of an AddedToken."""
    return str(token.get("content")) if isinstance(token, dict) else str(token)
