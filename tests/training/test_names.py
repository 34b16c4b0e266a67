"""The laws of the lists of names; none of them needs a synthesiser."""

from collections import Counter

import pytest

from training import names, open_words, utterances, voices, words

Rows = list[utterances.Utterance]


@pytest.fixture(scope="module")
def new() -> Rows:
    rows: Rows = utterances.read_list(names.LIST)
    return rows


@pytest.fixture(scope="module")
def noisy() -> Rows:
    rows: Rows = utterances.read_list(names.NOISY)
    return rows


def test_stored_lists_are_what_their_seeds_give(new: Rows, noisy: Rows) -> None:
    assert new == names.names_list()
    assert noisy == names.noisy_list()


def test_no_name_is_a_word_of_the_vocabulary() -> None:
    assert set(names.NAMES).isdisjoint(words.VOCABULARY)
    assert set("".join(names.NAMES)) <= set(names.LETTERS)


def test_every_utterance_has_a_name_and_every_name_ten(new: Rows) -> None:
    said = [set(utterance.text.split()) & set(names.NAMES) for utterance in new]
    assert all(said)
    assert min(Counter(name for each in said for name in each).values()) >= 10


def test_speakers_and_speeds_are_held_out(new: Rows, noisy: Rows) -> None:
    both = new + noisy
    assert {utterance.speaker for utterance in both} <= voices.held_out_speakers()
    speeds = {utterance.words_per_minute for utterance in both}
    assert speeds <= set(utterances.HELD_OUT_SPEEDS)


def test_cities_are_in_noise_that_training_never_heard(noisy: Rows) -> None:
    low, high = names.NOISY_SNR_DB
    assert all(low <= utterance.snr_db <= high for utterance in noisy)
    assert all(set(utterance.text.split()) <= set(words.VOCABULARY) for utterance in noisy)


def test_wrong_names_are_976_others() -> None:
    wrong = names.wrong_names(976)
    assert len(set(wrong)) == 976
    assert set(wrong).isdisjoint((*names.NAMES, *words.VOCABULARY))


def test_shipped_audio_is_the_seeded_sample_of_the_reported_half(new: Rows) -> None:
    sample = utterances.shipped(names.reported(new), names.NUM_SHIPPED)
    text = "".join(f"{utterance.utterance_id} {utterance.text}\n" for utterance in sample)
    assert (names.SHIPPED / "text").read_text(encoding="utf-8") == text
    files = {path.stem for path in names.SHIPPED.glob("*.flac")}
    assert files == {utterance.utterance_id for utterance in sample}
    assert (names.SHIPPED / "names.txt").read_text(encoding="utf-8").split() == list(names.NAMES)


def test_made_up_words_are_never_names_and_the_pieces_can_spell_them() -> None:
    texts = [utterance.text for utterance in open_words.open_list(3000)]
    said = {word for text in texts for word in text.split()}
    assert len(said - set(words.VOCABULARY)) > 1000
    assert said.isdisjoint(names.NAMES)
    assert set("".join(said)) <= set(names.LETTERS)
