"""The files that config.pbtxt names for a model's searches: its language model and its hotwords."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from auricle.errors import AuricleError, RepositoryError
from auricle.hotword_files import Hotword, read_hotwords
from auricle.serve.backend.language_models import load_language_model
from auricle.serve.hotword_graphs import HotwordGraphs
from auricle.serve.lexicon import relate
from auricle.serve.phrases import PhraseTokens
from auricle.serve.scorers import Aids, Phrases
from auricle.spec import BEAM_SEARCHES, Choices, PipelineSpec

BPE_MODEL = "bpe.model"  # the checkpoint's sentencepiece, where the builder found it


def load_phrases(
    facts: PipelineSpec, choices: Choices, folder: Path, symbols: Sequence[str]
) -> Phrases | None:
    """None where the model has no search that could hear them."""
    if facts.head not in BEAM_SEARCHES:
        return None
    specials = {facts.blank_id, facts.unk_id} - {None}
    tokens = PhraseTokens(symbols, facts.token_kind, specials, _load_split(folder))  # type: ignore[arg-type]  # no None left
    given = read_hotwords(folder / choices.hotwords) if choices.hotwords else ()
    # as sherpa-onnx: its transducers begin a bonus anew behind a phrase, its CTC beam does not
    is_strict = BEAM_SEARCHES[facts.head] != "modified_beam_search"
    graphs = HotwordGraphs(tokens.encode, choices.hotwords_score, is_strict=is_strict)
    return Phrases(given, graphs)


def load_aids(facts: PipelineSpec, choices: Choices, folder: Path, symbols: Sequence[str]) -> Aids:
    """RepositoryError, or another of ours, if a file cannot be read or does not fit the model."""
    language_model = None
    if choices.lm:
        units = None if choices.lm_units == "auto" else choices.lm_units
        read = load_language_model(_existing(folder / choices.lm, "lm"))
        language_model = relate(read, symbols, facts.token_kind, units)
    if choices.hotwords:
        _existing(folder / choices.hotwords, "hotwords")
    phrases = load_phrases(facts, choices, folder, symbols)
    aids = Aids(language_model, phrases)
    try:
        aids.hotwords  # noqa: B018  # compiled now, and kept
    except AuricleError as error:
        raise RepositoryError(f"{folder / choices.hotwords}: {error}") from error
    return aids


def with_scores(hotwords: Sequence[Hotword], score: float | None) -> tuple[Hotword, ...]:
    """Those without a score of their own get this one."""
    if score is None:
        return tuple(hotwords)
    return tuple(replace(each, score=score) if each.score is None else each for each in hotwords)


def _existing(path: Path, parameter: str) -> Path:
    if not path.is_file():
        raise RepositoryError(
            f"parameter {parameter} of config.pbtxt names {path.name!r}, but {path} is no file"
        )
    return path


def _load_split(folder: Path) -> Callable[[str], Sequence[str]] | None:
    """How the checkpoint's own sentencepiece cuts a text, where both are at hand."""
    path = folder / BPE_MODEL
    if not path.is_file():
        return None
    try:
        import sentencepiece
    except ImportError:
        return None
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))

    def split(text: str) -> Sequence[str]:
        pieces: list[str] = processor.encode(text, out_type=str)
        return pieces

    return split
