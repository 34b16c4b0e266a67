"""The laws of the held-out lists; none of them needs a synthesiser."""

import random
from pathlib import Path

import pytest

from training import mandarin, utterances, voices, words

TRAINING = Path(__file__).parents[2] / "training"
SHIPPED = Path(__file__).parents[2] / "client" / "test_wavs"
NUM_TRAINING = 20000
NUM_TRAINING_MANDARIN = 9000
Rows = list[utterances.Utterance]


@pytest.fixture(scope="module")
def training_list() -> Rows:
    rows: Rows = utterances.training_list(NUM_TRAINING)
    return rows


@pytest.fixture(scope="module")
def held_out_list() -> Rows:
    rows: Rows = utterances.read_list(TRAINING / "heldout.tsv")
    return rows


@pytest.fixture(scope="module")
def seen_voices_list() -> Rows:
    rows: Rows = utterances.read_list(TRAINING / "heldout_seen_voices.tsv")
    return rows


@pytest.fixture(scope="module")
def mandarin_list() -> Rows:
    rows: Rows = utterances.read_list(TRAINING / "heldout_mandarin.tsv")
    return rows


@pytest.fixture(scope="module")
def mandarin_training_list() -> Rows:
    rows: Rows = utterances.mandarin_training_list(NUM_TRAINING_MANDARIN)
    return rows


def test_mandarin_training_never_says_a_held_out_pair(mandarin_training_list: Rows) -> None:
    said = [utterance.text for utterance in mandarin_training_list]
    assert not any(mandarin.has_held_out_pair(text) for text in said)
    assert set("".join(said)) == set(mandarin.CHARACTERS)


def test_mandarin_is_held_out_as_english_is(
    mandarin_list: Rows, mandarin_training_list: Rows
) -> None:
    assert mandarin_list == utterances.mandarin_held_out_list()
    assert all(mandarin.has_held_out_pair(utterance.text) for utterance in mandarin_list)
    assert {utterance.speaker for utterance in mandarin_list} == voices.held_out_speakers()
    heard = {utterance.speaker for utterance in mandarin_training_list}
    assert heard == set(voices.training_speakers()) - set(voices.RECORDED_SPEAKERS)
    used = {utterance.words_per_minute for utterance in mandarin_training_list}
    assert used.isdisjoint(utterance.words_per_minute for utterance in mandarin_list)


def test_training_never_says_a_held_out_pair(training_list: Rows) -> None:
    assert not any(words.has_held_out_pair(utterance.text) for utterance in training_list)


def test_every_held_out_sentence_has_a_held_out_pair(
    held_out_list: Rows, seen_voices_list: Rows
) -> None:
    both = held_out_list + seen_voices_list
    assert all(words.has_held_out_pair(utterance.text) for utterance in both)


def test_training_says_every_word(training_list: Rows) -> None:
    said = {word for utterance in training_list for word in utterance.text.split()}
    assert said == set(words.VOCABULARY)


def test_training_never_hears_a_held_out_speaker(training_list: Rows, held_out_list: Rows) -> None:
    heard = {utterance.speaker for utterance in training_list}
    assert heard.isdisjoint(utterance.speaker for utterance in held_out_list)


def test_training_never_speaks_at_a_held_out_speed(
    training_list: Rows, held_out_list: Rows
) -> None:
    used = {utterance.words_per_minute for utterance in training_list}
    assert used.isdisjoint(utterance.words_per_minute for utterance in held_out_list)


def test_seen_voices_are_voices_of_training(training_list: Rows, seen_voices_list: Rows) -> None:
    heard = {utterance.speaker for utterance in training_list}
    assert heard.issuperset(utterance.speaker for utterance in seen_voices_list)


def test_every_accent_is_trained_on(training_list: Rows) -> None:
    heard = {utterance.voice.split("+")[0] for utterance in training_list}
    assert heard.issuperset(voices.ACCENTS)


def test_no_voice_named_as_an_effect_speaks(training_list: Rows) -> None:
    effects = ("whisper", "robosoft", "croak", "Demonic", "Robot")
    assert not any(effect in utterance.voice for utterance in training_list for effect in effects)


def test_one_seed_one_list() -> None:
    assert utterances.training_list(200, seed=5) == utterances.training_list(200, seed=5)
    assert utterances.training_list(200, seed=5) != utterances.training_list(200, seed=6)


def test_a_longer_training_list_begins_with_the_shorter() -> None:
    assert utterances.training_list(200)[:100] == utterances.training_list(100)


def test_stored_lists_are_what_their_seeds_give(
    held_out_list: Rows, seen_voices_list: Rows
) -> None:
    assert held_out_list == utterances.held_out_list()
    assert seen_voices_list == utterances.seen_voices_list()


def test_development_shares_no_sentence_with_the_reported_lists(
    held_out_list: Rows, seen_voices_list: Rows
) -> None:
    reported = {utterance.text for utterance in held_out_list + seen_voices_list}
    development = utterances.development_list()
    assert len(development) == 200
    assert reported.isdisjoint(utterance.text for utterance in development)


def test_a_list_survives_its_file(tmp_path: Path) -> None:
    drawn = utterances.training_list(50)
    utterances.write_list(tmp_path / "list.tsv", drawn)
    assert utterances.read_list(tmp_path / "list.tsv") == drawn


def test_sentences_have_one_to_seven_words() -> None:
    rng = random.Random(0)
    lengths = {len(words.training_sentence(rng).split()) for _ in range(500)}
    assert min(lengths) >= 1
    assert max(lengths) <= 7


def test_shipped_wavs_are_the_seeded_sample(held_out_list: Rows) -> None:
    sample = utterances.shipped(held_out_list)
    text = "".join(f"{utterance.utterance_id} {utterance.text}\n" for utterance in sample)
    ids = [utterance.utterance_id for utterance in sample]
    scp = "".join(f"{name} {name}.wav\n" for name in ids)
    assert (SHIPPED / "text").read_text(encoding="utf-8") == text
    assert (SHIPPED / "wav.scp").read_text(encoding="utf-8") == scp
    wavs = {path.stem for path in SHIPPED.glob("*.wav")}
    assert wavs == set(ids)
