"""The files that config.pbtxt names for a search."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from auricle.errors import ManifestError, RepositoryError
from auricle.hotword_files import Hotword
from auricle.serve.backend.aids import load_aids, load_phrases, with_scores
from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.decode.language_model import TokenUnits, WordUnits
from auricle.spec import Choices, PipelineSpec, Units
from tests.conftest import ROOT, TRANSDUCER_SPEC

SYMBOLS = ["<blk>", "<sos/eos>", "<unk>", "▁A", "▁B", "C"]
CTC = dataclasses.replace(TRANSDUCER_SPEC, head="ctc")
CIF = dataclasses.replace(TRANSDUCER_SPEC, head="cif")
ARPA = """\\data\\
ngram 1=5

\\1-grams:
-1 <s>
-1 </s>
-1 <unk>
-1 ▁A
-1 AC

\\end\\
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lm.arpa").write_text(ARPA, encoding="utf-8")
    (tmp_path / "hotwords.txt").write_text("A B :2.0\nC\n", encoding="utf-8")
    return tmp_path


def worth(graph: ContextGraph | None, *tokens: int) -> float:
    """What the hotwords give tokens and their end."""
    assert graph
    states, total = np.zeros(1, np.int64), 0.0
    for token in tokens:
        added, states = graph.step(states, np.array([token]))
        total += float(added[0])
    return total + float(graph.finish(states)[0])


@pytest.mark.parametrize("spec", [TRANSDUCER_SPEC, CTC, CIF], ids=["transducer", "ctc", "cif"])
def test_a_model_of_which_nothing_is_named_has_nothing(spec: PipelineSpec, folder: Path) -> None:
    aids = load_aids(spec, Choices(), folder, SYMBOLS)
    assert (aids.language_model, aids.hotwords) == (None, None)


@pytest.mark.parametrize(("units", "kind"), [("tokens", TokenUnits), ("words", WordUnits)])
def test_a_language_model_is_of_the_units_that_were_chosen(
    folder: Path, units: Units, kind: type
) -> None:
    aids = load_aids(CTC, Choices(lm="lm.arpa", lm_units=units), folder, SYMBOLS)
    assert isinstance(aids.language_model, kind)


def test_hotwords_have_their_scores_or_that_of_config_pbtxt(folder: Path) -> None:
    choices = Choices(hotwords="hotwords.txt", hotwords_score=0.5)
    graph = load_aids(TRANSDUCER_SPEC, choices, folder, ["<blk>", "<s>", "<unk>", "▁A", "▁B", "▁C"])
    assert (worth(graph.hotwords, 3, 4), worth(graph.hotwords, 5)) == (4.0, 0.5)


@pytest.mark.parametrize(("spec", "expected"), [(TRANSDUCER_SPEC, 4.0), (CTC, 6.0)])
def test_a_transducer_begins_anew_behind_a_phrase_as_ctc_does_not(
    spec: PipelineSpec, expected: float, tmp_path: Path
) -> None:
    (tmp_path / "hotwords.txt").write_text("A :2.0\nA B :2.0\n", encoding="utf-8")
    aids = load_aids(spec, Choices(hotwords="hotwords.txt"), tmp_path, SYMBOLS)
    graph = aids.hotwords
    strict = ContextGraph([[3], [3, 4]], [2.0, 2.0], is_strict=spec.head != "transducer")
    assert worth(graph, 3, 4) == worth(strict, 3, 4)
    assert (worth(graph, 3, 4) > 2.0) == (expected > 4.0)


@pytest.mark.parametrize("name", ["lm", "hotwords"])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError) as raised:
        load_aids(CTC, Choices(**{name: "gone.txt"}), tmp_path, SYMBOLS)  # type: ignore[arg-type]
    assert str(raised.value) == (
        f"parameter {name} of config.pbtxt names 'gone.txt', but {tmp_path / 'gone.txt'} is no file"
    )


def test_a_hotword_that_cannot_be_spelled_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "hotwords.txt").write_text("A\nXYZ\n", encoding="utf-8")
    with pytest.raises(RepositoryError) as raised:
        load_aids(CTC, Choices(hotwords="hotwords.txt"), tmp_path, SYMBOLS)
    assert str(raised.value).startswith(f"{tmp_path / 'hotwords.txt'}: hotword 'XYZ' has")


def test_a_line_that_cannot_be_read_names_its_file_and_number(tmp_path: Path) -> None:
    (tmp_path / "hotwords.txt").write_text("A\nB :loud\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"hotwords\.txt, line 2: 'loud' is no score"):
        load_aids(CTC, Choices(hotwords="hotwords.txt"), tmp_path, SYMBOLS)


def test_a_search_without_a_beam_hears_no_phrases(folder: Path) -> None:
    assert load_phrases(CIF, Choices(), folder, SYMBOLS) is None


def test_blank_and_unk_spell_nothing(folder: Path) -> None:
    phrases = load_phrases(CTC, Choices(), folder, ["A", "<s>", "B", "C"])
    assert phrases
    with pytest.raises(ValueError, match="has characters that no token of this model has: 'AB'"):
        phrases.compile((Hotword("AB"),))


def test_the_checkpoint_s_sentencepiece_cuts_phrases(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    source = ROOT / "assets" / "icefall-ctc"
    lines = (source / "tokens.txt").read_text(encoding="utf-8").splitlines()
    symbols = [line.rsplit(" ", 1)[0] for line in lines]
    (tmp_path / "bpe.model").write_bytes((source / "bpe.model").read_bytes())
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(source / "bpe.model"))
    pieces = processor.encode("chicago from tokyo", out_type=str)
    phrases = load_phrases(CTC, Choices(), tmp_path, symbols)
    assert phrases
    graph = phrases.compile((Hotword("chicago from tokyo", 1.0),))
    assert worth(graph, *map(symbols.index, pieces)) == len(pieces)


def test_a_score_is_of_those_that_have_none() -> None:
    hotwords = (Hotword("A"), Hotword("B", 1.0))
    assert with_scores(hotwords, None) == hotwords
    assert with_scores(hotwords, 3.0) == (Hotword("A", 3.0), Hotword("B", 1.0))
