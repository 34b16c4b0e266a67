import contextlib
import gzip
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.errors import RepositoryError
from auricle.serve.backend import kenlm_model
from auricle.serve.backend.arpa import read_arpa
from auricle.serve.backend.kenlm_model import MAGIC, KenlmModel
from auricle.serve.backend.language_models import load_language_model
from auricle.serve.decode.language_model import LanguageModel
from tests.serve.backend.fake_kenlm import Package
from tests.serve.decode.ngram_models import BOS, EOS, UNK, Reference, Words, draw, to_arpa

WORDS = ("a", "b", "c", "d")
TOLERANCE = 1e-4
seeds = st.integers(0, 2**32 - 1)
orders = st.integers(1, 5)
SMALL = """
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99 <s> -0.5
-1.5\t</s>
-2.5\t<unk>
-0.25\ta\t-0.125

\\2-grams:
-0.75\t<s> a
-0.5 a   </s>

\\end\\
"""
needs_build_binary = pytest.mark.skipif(
    shutil.which("build_binary") is None, reason="KenLM's build_binary is not on the path"
)


def score(model: LanguageModel, words: Words) -> list[float]:
    """Of each word of a text, and of its end."""
    words_by_id = list(model.words)
    state, scores = np.array([model.start]), []
    for word in words:
        known = words_by_id.index(word) if word in words_by_id else model.unk_id
        added, state = model.score(state, np.array([known]))
        scores.append(float(added[0]))
    return [*scores, float(model.end(state)[0])]


def define(reference: Reference, words: Words) -> list[float]:
    said = (BOS, *words)
    scores = [reference.score(said[: place + 1], word) for place, word in enumerate(words)]
    return [*scores, reference.score(said, EOS)]


def draw_texts(rng: random.Random) -> list[Words]:
    return [tuple(rng.choices([*WORDS, "unheard of"], k=rng.randint(0, 8))) for _ in range(10)]


def write(folder: Path, text: str, name: str = "model.arpa") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read(text: str) -> LanguageModel:
    return read_arpa(text.encode().splitlines(keepends=True), "model.arpa")


@given(seeds, orders)
@settings(max_examples=50, deadline=None)
def test_an_arpa_file_scores_as_its_format_is_defined(seed: int, order: int) -> None:
    rng = random.Random(seed)
    reference = draw(rng, WORDS, order)
    model = read(to_arpa(reference))
    for words in draw_texts(rng):
        assert score(model, words) == pytest.approx(define(reference, words), abs=TOLERANCE)


def test_the_same_in_gzip(tmp_path: Path) -> None:
    plain, packed = write(tmp_path, SMALL), tmp_path / "model.arpa.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    models = [load_language_model(path) for path in (plain, packed)]
    assert score(models[0], ("a",)) == score(models[1], ("a",))


def test_columns_may_be_parted_by_spaces_and_back_offs_may_lack() -> None:
    expected = np.array([-0.75, -0.5]) * np.log(10)
    assert score(read(SMALL), ("a",)) == pytest.approx(expected)
    assert score(read(SMALL.replace("\n", "\r\n")), ("a",)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (SMALL, "", r"line 0: got the end of the file, expected \\data\\"),
        ("\\data\\", "data", r"line 16: got the end of the file, expected \\data\\"),
        ("ngram 1=4\nngram 2=2\n", "", "line 4: .*, expected 'ngram 1=<how many>'"),
        ("ngram 2=2", "ngram 3=2", "line 4: got 'ngram 3=2', expected 'ngram 2=<how many>'"),
        ("ngram 2=2", "two", "line 4: got 'two', expected 'ngram 2=<how many>'"),
        ("\\1-grams:", "\\1-gram:", r"line 6: got '\\\\1-gram:', expected \\1-grams:"),
        ("ngram 1=4", "ngram 1=5", r"line 12: .* 5 1-grams before it, as the head says, not 4"),
        ("-0.25\ta\t-0.125", "a", "line 10: .* a log-probability, 1 words, and at most a back-off"),
        ("<s> a", "<s> a b c", "line 13: .* a log-probability, 2 words"),
        ("-0.25\ta", "much\ta", "line 10: .* numbers around the words"),
        ("-0.125", "a", "line 10: .* numbers around the words"),
        ("-0.25\ta", "0.25\ta", "line 10: .* a finite log-probability of at most 0"),
        ("-0.25\ta", "nan\ta", "line 10: .* a finite log-probability of at most 0"),
        ("-0.125", "inf", "line 10: .* a finite back-off"),
        ("<s> a", "<s> b", "line 13: .* words that are 1-grams, and 'b' is none"),
        ("<unk>", "a", "line 10: .* a word that has no 1-gram yet"),
        ("\\end\\", "", r"line 16: got the end of the file, expected \\end\\"),
        ("\\end\\", "\\3-grams:", r"expected \\end\\ behind the last n-gram"),
        ("-0.5 a   </s>", "x" * 500, f"got '{'x' * 80}[.][.][.]', expected"),
    ],
)  # fmt: skip
def test_an_error_names_the_line_and_what_was_expected(old: str, new: str, message: str) -> None:
    with pytest.raises(RepositoryError, match=message):
        read(SMALL.replace(old, new))


@pytest.mark.parametrize("marker", ["<s>", "</s>"])
def test_a_model_needs_the_ends_of_texts(marker: str) -> None:
    with pytest.raises(RepositoryError, match=f"has no 1-gram {marker}"):
        read(SMALL.replace(marker, "other"))


def test_words_are_utf8() -> None:
    lines = SMALL.replace("a\t", "é\t").replace(" a", " é").encode("latin-1").splitlines()
    with pytest.raises(RepositoryError, match="is not UTF-8"):
        read_arpa(lines, "model.arpa")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    cut = tmp_path / "model.arpa.gz"
    cut.write_bytes(gzip.compress(SMALL.encode())[:-20])
    for path in (tmp_path / "none.arpa", tmp_path, cut):
        with pytest.raises(RepositoryError, match=f"language model {path}"):
            load_language_model(path)


def fake_binary(folder: Path, reference: Reference, name: str = "model.bin") -> Path:
    path = folder / name
    others = [ngram[0] for ngram in reference.log_probs if len(ngram) == 1 and ngram != (UNK,)]
    listed = "".join(word + "\0" for word in [UNK, *others])
    path.write_bytes(MAGIC + b" format version 5\n\0" + bytes(99) + listed.encode())
    return path


@given(seeds, orders)
@settings(max_examples=30, deadline=None)
def test_an_adapted_model_scores_as_the_model(seed: int, order: int) -> None:
    rng = random.Random(seed)
    reference = draw(rng, WORDS, order)
    package = Package(reference)
    model = KenlmModel(package, package.Model(""), [UNK, BOS, EOS, *WORDS])
    for words in draw_texts(rng):
        assert score(model, words) == pytest.approx(define(reference, words), abs=TOLERANCE)


def test_an_adapted_model_scores_batches_as_singles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = draw(random.Random(3), WORDS, 3)
    monkeypatch.setitem(sys.modules, "kenlm", Package(reference))
    model = load_language_model(fake_binary(tmp_path, reference))
    states, words = np.full(5, model.start), np.array([3, 4, 3, 0, 5])
    scores, moved = model.score(states, words)
    for row in range(5):
        score, state = model.score(states[[row]], words[[row]])
        assert (score[0], state[0]) == (scores[row], moved[row])
    none = np.empty(0, np.int64)
    assert len(model.score(none, none)[0]) == len(model.end(none)) == 0


def test_states_in_use_are_kept_and_others_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kenlm_model, "NUM_STATES", 4)
    reference = draw(random.Random(3), WORDS, 4)
    package = Package(reference)
    model = KenlmModel(package, package.Model(""), [UNK, BOS, EOS, *WORDS])
    word, start = np.array([3]), np.array([model.start])
    in_use, idle = (model.score(start, np.array([each]))[1] for each in (3, 4))
    expected = model.score(in_use, word)[0][0]
    rng = random.Random(5)
    states = start
    for _ in range(50):
        _, states = model.score(states, np.array([rng.choice([3, 4, 5, 6])]))
        assert model.score(in_use, word)[0][0] == expected
    empty = reference.score((), "a")
    assert model.score(idle, word)[0][0] == pytest.approx(empty, abs=TOLERANCE)
    assert model.score(start, word)[0][0] == pytest.approx(reference.score((BOS,), "a"))


def test_without_the_package_a_binary_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kenlm", None)
    path = fake_binary(tmp_path, draw(random.Random(1), WORDS, 2))
    with pytest.raises(
        RepositoryError, match=r"pip install kenlm.*, or give the ARPA file instead"
    ):
        load_language_model(path)


def test_a_binary_that_kenlm_does_not_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = draw(random.Random(1), WORDS, 2)
    monkeypatch.setitem(sys.modules, "kenlm", Package(reference))
    with pytest.raises(RepositoryError, match=r"broken.bin: Cannot read model"):
        load_language_model(fake_binary(tmp_path, reference, "broken.bin"))


@pytest.mark.parametrize("content", [MAGIC, MAGIC + b"<unk>\0never\0"])
def test_a_binary_without_its_words_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    package = Package(draw(random.Random(1), WORDS, 2))
    monkeypatch.setitem(sys.modules, "kenlm", package)
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(RepositoryError, match="has no list of its words; build it with"):
        load_language_model(path)


@pytest.mark.parametrize("has_unk", [True, False])
@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_kenlm_scores_an_arpa_file_the_same(tmp_path: Path, order: int, has_unk: bool) -> None:
    kenlm = pytest.importorskip("kenlm", reason="the package kenlm is not installed")
    num_read = 0
    for seed in range(40):
        rng = random.Random(seed)
        drawn = draw(rng, WORDS, order, has_unk=has_unk, has_contexts=True)
        path = write(tmp_path, to_arpa(drawn))
        with contextlib.suppress(OSError):  # small, and with more n-grams missing than it takes
            other, model = kenlm.Model(str(path)), load_language_model(path)
            num_read += 1
            for words in draw_texts(rng):
                text = tuple(" ".join(words).split())
                scores = [each[0] * np.log(10) for each in other.full_scores(" ".join(text))]
                assert score(model, text) == pytest.approx(scores, abs=TOLERANCE)
    assert num_read > 10


@needs_build_binary
@pytest.mark.parametrize("kind", ["probing", "trie"])
def test_a_binary_of_kenlm_scores_as_its_arpa_file(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("kenlm", reason="the package kenlm is not installed")
    rng = random.Random(7)
    path = write(tmp_path, to_arpa(draw(rng, WORDS, 3, has_contexts=True)))
    binary = tmp_path / "model.bin"
    subprocess.run(["build_binary", kind, str(path), str(binary)], check=True, capture_output=True)
    model, adapted = load_language_model(path), load_language_model(binary)
    assert isinstance(adapted, KenlmModel)
    assert sorted(adapted.words) == sorted(model.words)
    for words in draw_texts(rng):
        assert score(adapted, words) == pytest.approx(score(model, words), abs=TOLERANCE)
