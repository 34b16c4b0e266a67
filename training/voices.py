"""Who speaks: the synthesisers' voices, and which of them training never hears.

A speaker is an espeak-ng variant, or a recorded person whatever the engine that plays the
recording; a speaker is held out as a whole. Accents of espeak-ng differ in their phonemes, so
every accent is trained on.
"""

import dataclasses
import random

ACCENTS = (
    "en-us",
    "en-us-nyc",
    "en-gb",
    "en-gb-x-rp",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
)
MANDARIN = "cmn-latn-pinyin"  # plain "cmn" of espeak-ng 1.51 spells characters out in English

# Left out by name, unheard, because they are effects and not speakers: whisper, whisperf, croak,
# Demonic, robosoft to robosoft8, UniRobot, anikaRobot, announcer (a game's loudspeaker with an
# echo), fast (a test of the engine's limits). "Mr serious" is left out for the space in its name.
_VARIANT_NAMES = """
    default Alex Alicia Andrea Andy Annie AnxiousAndy Denis Diogo Gene Gene2 Henrique Hugo Jacky
    Lee Marco Mario Michael Mike Nguyen RicishayMax RicishayMax2 RicishayMax3 Storm Tweaky adam
    anika antonio aunty belinda benjamin boris caleb david ed edward edward2 f1 f2 f3 f4 f5
    grandma grandpa gustave iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 klatt4
    klatt5 klatt6 linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert pablo paul
    pedro quincy rob robert sandro shelby steph steph2 steph3 travis victor zac
"""
VARIANTS = tuple(_VARIANT_NAMES.split())


@dataclasses.dataclass(frozen=True)
class Voice:
    """speaker: who; engine: espeak, flite or festival; name: what the engine calls the voice."""

    speaker: str
    engine: str
    name: str


RECORDED = (
    Voice("awb", "flite", "awb"),
    Voice("kal", "flite", "kal16"),
    Voice("kal", "festival", "kal_diphone"),
    Voice("ked", "festival", "ked_diphone"),
    Voice("rms", "flite", "rms"),
    Voice("slt", "flite", "slt"),
    Voice("slt", "festival", "cmu_us_slt_arctic_hts"),
)
RECORDED_SPEAKERS = tuple(sorted({voice.speaker for voice in RECORDED}))
SPEAKERS = VARIANTS + RECORDED_SPEAKERS

HELD_OUT_SEED = 2026
NUM_HELD_OUT = 12


def held_out_speakers() -> frozenset[str]:
    """Drawn once by seed from all speakers."""
    return frozenset(random.Random(HELD_OUT_SEED).sample(SPEAKERS, NUM_HELD_OUT))


def training_speakers() -> tuple[str, ...]:
    held_out = held_out_speakers()
    return tuple(speaker for speaker in SPEAKERS if speaker not in held_out)


def draw_voice(rng: random.Random, speaker: str) -> Voice:
    """One of the speaker's voices; an espeak-ng variant speaks any accent."""
    if speaker in RECORDED_SPEAKERS:
        return rng.choice([voice for voice in RECORDED if voice.speaker == speaker])
    return espeak_voice(speaker, rng.choice(ACCENTS))


def espeak_voice(variant: str, accent: str) -> Voice:
    return Voice(variant, "espeak", accent if variant == "default" else f"{accent}+{variant}")
