from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.tags import Tags
from auricle.serve.tokens import SPECIALS, GrowingText, TokenTable, Transcript
from auricle.spec import Prompt, TokenKind

PROMPT = Prompt({"auto": 0, "zh": 3, "en": 4}, {"woitn": 15, "withitn": 14}, lead_frames=4)
TAGGED = ["<|en|>", "<|HAPPY|>", "<|Speech|>", "<|woitn|>"]

SYMBOLS: dict[TokenKind, list[str]] = {
    "bpe": ["▁go", "lang", "▁", "你", "▁好", "<0xE4>", "<0xBD>", "<0xA0>", "<0x41>", "<blk>"],
    "byte_bpe": ["▁go", "lang", "▁", "Ƌ", "ţŅ", "▁ƋţŅ", "a", "<unk>"],
    "char": ["g", "o", "<space>", "你", "好", " "],
    "at_bpe": ["go", "le@@", "ft", "你", "好", "1", "2", "a@@"],
    "delimited": ["g", "o", "|", "你", "'", "好"],
}


def transcribe(
    symbols: Sequence[str], kind: TokenKind, prompt: Prompt | None = None, step: int = 10
) -> Transcript:
    """Tokens of frames 0, step, 2 step, ..., each less probable than the one before."""
    count = len(symbols)
    hypothesis = Hypothesis(
        list(range(count)),
        [step * index for index in range(count)],
        [-float(i) for i in range(count)],
    )
    return TokenTable(symbols, kind, 0.04, prompt).transcribe(hypothesis)


def test_words_of_one_frame_do_not_overlap() -> None:
    hypothesis = Hypothesis([0, 1, 2], [5, 5, 6], [-0.1] * 3)
    words = TokenTable(["▁a", "▁b", "▁c"], "bpe", 0.1).transcribe(hypothesis).words
    times = [time for word in words for time in (word.start, word.end)]
    assert times == pytest.approx([0.5, 0.5, 0.5, 0.6, 0.6, 0.7])


def words_of(transcript: Transcript) -> list[str]:
    return [word.text for word in transcript.words]


def test_words_carry_times_and_their_weakest_confidence() -> None:
    first, second = transcribe(["▁LE", "FT", "▁GO"], "bpe").words
    assert (first.text, second.text) == ("LEFT", "GO")
    assert [first.start, first.end] == pytest.approx([0.0, 0.44])
    assert [second.start, second.end] == pytest.approx([0.8, 0.84])
    assert first.confidence == pytest.approx(0.3679, abs=1e-4)


def test_every_ideograph_is_a_word() -> None:
    assert words_of(transcribe(["你", "好", "▁LE", "FT"], "bpe")) == ["你", "好", "LEFT"]


def test_pieces_with_a_mark_make_one_word() -> None:
    heard = transcribe(["go", "le@@", "ft", "好", "1", "2"], "at_bpe")
    assert words_of(heard) == ["go", "left", "好", "12"]


def test_a_delimiter_ends_words_and_is_none() -> None:
    heard = transcribe(["|", "I", "'", "M", "|", "|", "<pad>", "O", "K", "|"], "delimited")
    assert (heard.text, words_of(heard)) == ("I'M OK", ["I'M", "OK"])
    assert [(round(word.start or 0, 2), round(word.end or 0, 2)) for word in heard.words] == [
        (0.4, 1.24), (2.8, 3.24)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["bpe", "char", "at_bpe", "delimited"])
@pytest.mark.parametrize("special", sorted(SPECIALS))
def test_what_holds_a_place_is_no_word(kind: TokenKind, special: str) -> None:
    heard = transcribe(["你", special, "好"], kind)
    assert (heard.text, words_of(heard)) == ("你好", ["你", "好"])
    assert [token.text for token in heard.tokens] == ["你", "好"]


def test_without_frames_times_are_unknown() -> None:
    heard = TokenTable(["▁LE", "FT"], "bpe", 0.04).transcribe(Hypothesis([0, 1], None, [-1.0, 0.0]))
    assert [token.start for token in heard.tokens] == [None, None]
    (word,) = heard.words
    assert (word.start, word.end, word.text) == (None, None, "LEFT")
    assert word.confidence == pytest.approx(0.3679, abs=1e-4)


def test_without_log_probs_confidences_are_unknown() -> None:
    heard = TokenTable(["▁LE", "FT"], "bpe", 0.04).transcribe(Hypothesis([0, 1], [0, 2], None))
    assert [token.confidence for token in heard.tokens] == [None, None]
    assert [word.confidence for word in heard.words] == [None]


def test_ends_that_are_known_are_those_of_the_words() -> None:
    known = Hypothesis([0, 1, 2], [0, 2, 4], [0.0] * 3, ends=[1.5, 3.5, 10])
    heard = TokenTable(["▁LE", "FT", "▁GO"], "bpe", 0.04).transcribe(known)
    assert [word.end for word in heard.words] == pytest.approx([0.14, 0.4])


@pytest.mark.parametrize("ends", [None, [2, 13]])
def test_nothing_starts_or_ends_behind_the_audio(ends: list[float] | None) -> None:
    late = Hypothesis([0, 1], [0, 12], [0.0, 0.0], ends)
    heard = TokenTable(["▁GO", "▁UP"], "bpe", 0.04).transcribe(late, audio_seconds=0.45)
    assert [token.start for token in heard.tokens] == [0.0, 0.45]
    assert [word.end for word in heard.words] == pytest.approx(
        [0.04 if ends is None else 0.08, 0.45]
    )


@pytest.mark.parametrize(
    ("symbols", "words", "ends"),
    [
        (["▁up", "."], ["up."], [0.04]),
        (["▁up", ".", "▁go", "!", "?"], ["up.", "go!?"], [0.04, 0.84]),
        (["▁to", "kyo", "。"], ["tokyo。"], [0.44]),
        (["▁ten", "%"], ["ten%"], [0.44]),
        (["北", "京", "。"], ["北", "京。"], [0.04, 0.44]),
        (["北", "、", "京", "。"], ["北、", "京。"], [0.04, 0.84]),
        (["北", "。", "▁go"], ["北。", "go"], [0.04, 0.84]),
        (["▁go", "。", "up"], ["go。", "up"], [0.04, 0.84]),
        (["▁3", ".", "5"], ["3.5"], [0.84]),
        (["▁don", "'", "t"], ["don't"], [0.84]),
        (["▁-", "▁go"], ["-", "go"], [0.04, 0.44]),
        ([".", "▁go"], [".", "go"], [0.04, 0.44]),
    ],
)
def test_a_word_has_its_punctuation_but_ends_before_it(
    symbols: list[str], words: list[str], ends: list[float]
) -> None:
    heard = transcribe(symbols, "bpe")
    assert words_of(heard) == words
    assert [word.end for word in heard.words] == pytest.approx(ends)


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_the_words_are_the_text(kind: TokenKind) -> None:
    heard = transcribe(["你", "、", "好", "。"], kind)
    assert "".join(words_of(heard)) == heard.text


def test_a_model_without_a_prompt_tells_no_language() -> None:
    heard = transcribe(["▁LE", "FT"], "bpe")
    assert (heard.language, heard.tags) == (None, None)


def test_tags_are_told_apart_from_the_text() -> None:
    heard = transcribe([*TAGGED, "▁go", "▁up"], "bpe", PROMPT)
    assert (heard.text, words_of(heard)) == ("go up", ["go", "up"])
    assert [token.text for token in heard.tokens] == ["▁go", "▁up"]
    assert (heard.language, heard.tags) == ("en", Tags("HAPPY", "Speech", "woitn"))


def test_times_begin_behind_the_frames_of_the_tags() -> None:
    heard = transcribe([*TAGGED, "▁go", "▁up"], "bpe", PROMPT, step=1)
    assert [token.start for token in heard.tokens] == pytest.approx([0.0, 0.04])


@pytest.mark.parametrize(
    ("symbols", "language", "tags"),
    [
        ([], None, Tags()),
        (["▁go"], None, Tags()),
        (["<|HAPPY|>", "▁go"], None, Tags(emotion="HAPPY")),
        (["<|en|>", "<|en|>", "<|zh|>", "▁go"], "en", Tags()),
        (
            ["<|Speech|>", "<|SAD|>", "<|withitn|>", "<|zh|>"],
            "zh",
            Tags("SAD", "Speech", "withitn"),
        ),
        (["▁go", "<|Laughter|>"], None, Tags(event="Laughter")),
        (["<|de|>", "<|nobody knows|>", "▁go"], "de", Tags()),
        (["<|nospeech|>"], "nospeech", Tags()),
    ],
)
def test_missing_doubled_and_misplaced_tags_break_nothing(
    symbols: list[str], language: str | None, tags: Tags
) -> None:
    prompt = Prompt(PROMPT.languages | {"nospeech": 13}, PROMPT.text_norms, 4)
    heard = transcribe(symbols, "bpe", prompt)
    assert (heard.language, heard.tags) == (language, tags)
    assert heard.text == ("go" if "▁go" in symbols else "")


@pytest.mark.parametrize("kind", SYMBOLS)
@given(data=st.data())
def test_a_text_grown_in_any_steps_is_the_text_of_all_tokens(
    kind: TokenKind, data: st.DataObject
) -> None:
    table = TokenTable(SYMBOLS[kind], kind, 0.04)
    token = st.integers(0, len(table.symbols) - 1)
    steps = data.draw(st.lists(st.lists(token, max_size=5), max_size=8))
    grown = GrowingText()
    for step in steps:
        longer = table.grow(grown, step)
        assert longer.text.startswith(grown.text)
        grown = longer
    ids = [each for step in steps for each in step]
    assert grown.text == table.transcribe(Hypothesis(ids, None, None)).text
