"""Seeded lists of what is said, by whom, how fast, and in what room: one seed, one list.

A row is all that synthesis needs, so a list is stored as text and its audio made again.
"""

import csv
import dataclasses
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from training import mandarin, voices
from training.words import held_out_sentence, training_sentence

SLOWEST, FASTEST = 110, 210  # words per minute
HELD_OUT_SPEEDS = (*range(126, 136), *range(158, 168), *range(188, 196))
TRAINING_SPEEDS = tuple(
    speed for speed in range(SLOWEST, FASTEST + 1) if speed not in HELD_OUT_SPEEDS
)
RECORDED_SHARE = 0.2  # of training utterances; the rest is espeak-ng's many variants
NON_SPEECH_SHARE = 0.05
NON_SPEECH = ("white", "brown", "modulated", "tone", "silence")


@dataclasses.dataclass(frozen=True)
class Utterance:
    """warp: speed-up of playback, moves pitch and formants; snr_db: of added white noise."""

    utterance_id: str
    speaker: str
    engine: str
    voice: str
    words_per_minute: int
    pitch: int  # 0 to 99, espeak-ng's scale
    warp: float
    gain_db: float
    snr_db: float
    lead_s: float
    tail_s: float
    text: str


def _utterance(rng: random.Random, utterance_id: str, voice: voices.Voice, text: str) -> Utterance:
    return Utterance(
        utterance_id=utterance_id,
        speaker=voice.speaker,
        engine=voice.engine,
        voice=voice.name,
        words_per_minute=rng.choice(TRAINING_SPEEDS),
        pitch=rng.randint(15, 85),
        warp=1.0,
        gain_db=round(rng.uniform(-12, 0), 2),
        snr_db=round(rng.uniform(20, 50), 2),
        lead_s=round(rng.uniform(0.05, 0.4), 3),
        tail_s=round(rng.uniform(0.1, 0.5), 3),
        text=text,
    )


def _training_speaker(rng: random.Random, speakers: Sequence[str]) -> str:
    recorded = [speaker for speaker in speakers if speaker in voices.RECORDED_SPEAKERS]
    variants = [speaker for speaker in speakers if speaker not in voices.RECORDED_SPEAKERS]
    return rng.choice(recorded if rng.random() < RECORDED_SHARE else variants)


def _training_utterance(
    rng: random.Random, utterance_id: str, speakers: Sequence[str]
) -> Utterance:
    if rng.random() < NON_SPEECH_SHARE:
        kind = rng.choice(NON_SPEECH)
        return _utterance(rng, utterance_id, voices.Voice("nobody", "non-speech", kind), "")
    voice = voices.draw_voice(rng, _training_speaker(rng, speakers))
    return _varied(rng, _utterance(rng, utterance_id, voice, training_sentence(rng)))


def _varied(rng: random.Random, utterance: Utterance) -> Utterance:
    """Training's wider ranges of playback speed, noise and pitch."""
    warp = round(rng.uniform(0.84, 1.2), 3) if rng.random() < 0.75 else 1.0
    return dataclasses.replace(
        utterance, warp=warp, snr_db=round(rng.uniform(12, 50), 2), pitch=rng.randint(5, 95)
    )


def training_list(num_utterances: int, seed: int = 1) -> list[Utterance]:
    rng = random.Random(seed)
    speakers = voices.training_speakers()
    return [
        _training_utterance(rng, f"train-{index:06d}", speakers) for index in range(num_utterances)
    ]


def mandarin_training_list(num_utterances: int, seed: int = 11) -> list[Utterance]:
    """Mandarin by the same espeak-ng variants; no other synthesiser here speaks it."""
    rng = random.Random(seed)
    variants = [name for name in voices.training_speakers() if name in voices.VARIANTS]
    utterances = []
    for index in range(num_utterances):
        voice = voices.espeak_voice(rng.choice(variants), voices.MANDARIN)
        sentence = mandarin.training_sentence(rng)
        row = _utterance(rng, f"train-mandarin-{index:06d}", voice, sentence)
        utterances.append(_varied(rng, row))
    return utterances


def held_out_list(num_utterances: int = 600, seed: int = 2) -> list[Utterance]:
    """Speakers, speed settings and word pairs that training never meets."""
    rng = random.Random(seed)
    speakers = sorted(voices.held_out_speakers())
    utterances = []
    for index in range(num_utterances):
        voice = voices.draw_voice(rng, rng.choice(speakers))
        utterance = _utterance(rng, f"heldout-{index:04d}", voice, held_out_sentence(rng))
        speed = rng.choice(HELD_OUT_SPEEDS)
        utterances.append(dataclasses.replace(utterance, words_per_minute=speed))
    return utterances


def mandarin_held_out_list(num_utterances: int = 500, seed: int = 12) -> list[Utterance]:
    """As held_out_list: the same 12 speakers and speed settings, unseen character pairs."""
    rng = random.Random(seed)
    speakers = sorted(voices.held_out_speakers())
    utterances = []
    for index in range(num_utterances):
        voice = voices.espeak_voice(rng.choice(speakers), voices.MANDARIN)
        sentence = mandarin.held_out_sentence(rng)
        row = _utterance(rng, f"mandarin-{index:04d}", voice, sentence)
        speed = rng.choice(HELD_OUT_SPEEDS)
        utterances.append(dataclasses.replace(row, words_per_minute=speed))
    return utterances


def seen_voices_list(num_utterances: int = 300, seed: int = 3) -> list[Utterance]:
    """Speakers and speeds of training, sentences with word pairs that training never meets."""
    rng = random.Random(seed)
    speakers = voices.training_speakers()
    utterances = []
    for index in range(num_utterances):
        voice = voices.draw_voice(rng, rng.choice(speakers))
        utterances.append(_utterance(rng, f"seen-{index:04d}", voice, held_out_sentence(rng)))
    return utterances


def development_list(num_utterances: int = 200, seed: int = 5) -> list[Utterance]:
    """As seen_voices_list, with none of the sentences of the two held-out lists; for choices."""
    reported = {utterance.text for utterance in held_out_list() + seen_voices_list()}
    drawn = seen_voices_list(2 * num_utterances, seed)
    fresh = [utterance for utterance in drawn if utterance.text not in reported]
    return [
        dataclasses.replace(utterance, utterance_id=f"development-{index:04d}")
        for index, utterance in enumerate(fresh[:num_utterances])
    ]


def shipped(
    utterances: Sequence[Utterance], num_utterances: int = 40, seed: int = 4
) -> list[Utterance]:
    """The sample whose audio is stored with the code, drawn by seed, in the order of the list."""
    chosen = random.Random(seed).sample(range(len(utterances)), num_utterances)
    return [utterances[index] for index in sorted(chosen)]


def write_list(path: Path, utterances: Iterable[Utterance]) -> None:
    names = [field.name for field in dataclasses.fields(Utterance)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(utterance) for utterance in utterances)


def read_list(path: Path) -> list[Utterance]:
    with path.open(encoding="utf-8", newline="") as file:
        return [_from_row(row) for row in csv.DictReader(file, delimiter="\t")]


def _from_row(row: dict[str, str]) -> Utterance:
    return Utterance(
        utterance_id=row["utterance_id"],
        speaker=row["speaker"],
        engine=row["engine"],
        voice=row["voice"],
        words_per_minute=int(row["words_per_minute"]),
        pitch=int(row["pitch"]),
        warp=float(row["warp"]),
        gain_db=float(row["gain_db"]),
        snr_db=float(row["snr_db"]),
        lead_s=float(row["lead_s"]),
        tail_s=float(row["tail_s"]),
        text=row["text"],
    )
