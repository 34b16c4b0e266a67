"""The files beside Whisper's graphs: transformers' JSON, or what sherpa-onnx keeps in the graph."""

import base64
from collections.abc import Mapping
from pathlib import Path

from auricle.build.checkpoint.json_files import Record, read_json
from auricle.build.checkpoint.tokens import TokenTable
from auricle.errors import CheckpointError
from auricle.spec import Autoregressive

STEPS_PER_SECOND = 50  # of timestamps
MAX_INITIAL_TIMESTAMP = 50  # 1 s, openai/whisper's decoding.py
# What stands before <|notimestamps|> in every Whisper's vocabulary (whisper/tokenizer.py).
PREVIOUS, NO_SPEECH = -2, -1


def read_generation(path: Path, max_tokens: int, window_seconds: float) -> Autoregressive:
    """generation_config.json of transformers; CheckpointError where it does not say enough."""
    record = read_json(path)

    def number(name: str) -> int:
        value = record.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise CheckpointError(
                f"{path} has {name} {value!r}, expected a token's id; take the "
                "generation_config.json of a current release of the model"
            )
        return value

    languages = {
        name.removeprefix("<|").removesuffix("|>"): number
        for name, number in _numbers(record, "lang_to_id", path).items()
    }
    tasks = _numbers(record, "task_to_id", path)
    if languages and not {"transcribe", "translate"} <= set(tasks):
        raise CheckpointError(f"{path} has lang_to_id, but no task_to_id with both tasks")
    no_timestamps = number("no_timestamps_token_id")
    forced = _forced(record)
    limit = record.get("max_initial_timestamp_index")
    return Autoregressive(
        window_seconds=window_seconds,
        max_tokens=max_tokens,
        start_id=number("decoder_start_token_id"),
        end_id=number("eos_token_id"),
        previous_id=no_timestamps + PREVIOUS,
        no_speech_id=no_timestamps + NO_SPEECH,
        no_timestamps_id=no_timestamps,
        languages=languages,
        tasks=tasks if languages else {},
        suppressed_ids=_list(record, "suppress_tokens"),
        begin_suppressed_ids=_list(record, "begin_suppress_tokens"),
        max_initial_timestamp=limit if isinstance(limit, int) else MAX_INITIAL_TIMESTAMP,
        default_language=_name_of(forced, languages),
        default_task=_name_of(forced, tasks),
    )


def _numbers(record: Record, name: str, path: Path) -> dict[str, int]:
    value = record.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(each, int) for each in value.values()):
        raise CheckpointError(f"{path} has a {name} that names no ids: {value!r}")
    return value


def _list(record: Record, name: str) -> list[int]:
    value = record.get(name) or []
    return [each for each in value if isinstance(each, int)] if isinstance(value, list) else []


def _forced(record: Record) -> list[int]:
    """The ids of forced_decoder_ids, pairs of a place and an id or null."""
    pairs = record.get("forced_decoder_ids") or []
    if not isinstance(pairs, list):
        return []
    return [pair[1] for pair in pairs if isinstance(pair, list) and isinstance(pair[-1], int)]


def _name_of(ids: list[int], known: Mapping[str, int]) -> str | None:
    return next((name for name, number in known.items() if number in ids), None)


def read_metadata(
    metadata: Mapping[str, str], origin: str, window_seconds: float
) -> Autoregressive:
    """What sherpa-onnx's encoder says; the rules are openai/whisper's, decoding.py."""

    def number(name: str) -> int:
        (value,) = numbers(name)
        return value

    def numbers(name: str) -> list[int]:
        text = metadata.get(name)
        try:
            return [int(each) for each in (text or "").split(",") if each or text is None]
        except ValueError as error:
            raise CheckpointError(
                f"{origin} has metadata {name}={text!r}, expected ids; export it with "
                "sherpa-onnx's scripts/whisper/export-onnx.py"
            ) from error

    specials = [number(name) for name in ("sot", "sot_prev", "sot_lm", "no_speech")]
    languages, tasks = dict[str, int](), dict[str, int]()
    if number("is_multilingual"):
        codes = metadata.get("all_language_codes", "").split(",")
        languages = dict(zip(codes, numbers("all_language_tokens"), strict=False))
        tasks = {name: number(name) for name in ("transcribe", "translate")}
    suppressed = {*numbers("non_speech_tokens"), *specials, *tasks.values()}
    return Autoregressive(
        window_seconds=window_seconds,
        max_tokens=number("n_text_ctx"),
        start_id=number("sot"),
        end_id=number("eot"),
        previous_id=number("sot_prev"),
        no_speech_id=number("no_speech"),
        no_timestamps_id=number("no_timestamps"),
        languages=languages,
        tasks=tasks,
        suppressed_ids=sorted(suppressed),
        begin_suppressed_ids=[number("blank_id"), number("eot")],
    )


def read_vocabulary(path: Path, facts: Autoregressive, vocab_size: int) -> TokenTable:
    """Every token by its id: GPT-2's letters for bytes, and special ones as <|name|>.

    path: tokenizer.json or vocab.json of transformers, or sherpa-onnx's list in base64.
    CheckpointError if it names what the network cannot write, or not its text.
    """
    read = _read_base64 if path.suffix == ".txt" else _read_tokenizer
    known = read(path)
    names = _special_names(facts, vocab_size) | known
    beyond = sorted(number for number in known if number >= vocab_size)
    if beyond or not set(range(facts.end_id)) <= known.keys():
        raise CheckpointError(
            f"{path} names {len(known)} tokens, but the network has {vocab_size} outputs, of which "
            f"the first {facts.end_id} are text; is it the {path.name} of this checkpoint?"
        )
    symbols = tuple(names.get(number, f"<|{number}|>") for number in range(vocab_size))
    return TokenTable(symbols, "gpt2_bpe", 0, None)


def _special_names(facts: Autoregressive, vocab_size: int) -> dict[int, str]:
    """Those that a file of text alone does not name."""
    names = {
        "endoftext": facts.end_id,
        "startoftranscript": facts.start_id,
        "startofprev": facts.previous_id,
        "nospeech": facts.no_speech_id,
        "notimestamps": facts.no_timestamps_id,
        **facts.languages,
        **facts.tasks,
    }
    steps = range(vocab_size - facts.first_timestamp_id)
    stamps = {f"{step / STEPS_PER_SECOND:.2f}": facts.first_timestamp_id + step for step in steps}
    return {number: f"<|{name}|>" for name, number in {**names, **stamps}.items()}


def _read_tokenizer(path: Path) -> dict[int, str]:
    record = read_json(path)
    model, added = record.get("model", {"vocab": record}), record.get("added_tokens", [])
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocab, dict) or not isinstance(added, list):
        raise CheckpointError(f"{path} has no vocab of byte-level BPE; is it Whisper's own?")
    names = {number: symbol for symbol, number in vocab.items() if isinstance(number, int)}
    return names | {each["id"]: each["content"] for each in added}


def _read_base64(path: Path) -> dict[int, str]:
    letters = byte_letters()
    names = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            encoded, number = line.split()
            names[int(number)] = "".join(letters[byte] for byte in base64.b64decode(encoded))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no list of tokens in base64: {error}") from error
    return names


def byte_letters() -> list[str]:
    """The letter for each byte in GPT-2's vocabulary.

    What Latin-1 prints stands for itself; the others have, in order, the letters from U+0100 on:
    https://github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode.
    """
    printed = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printed else next(others)) for byte in range(256)]
