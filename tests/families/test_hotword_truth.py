"""What hotwords do on the demo's models, which know 96 words: no good, and little harm up to 3.

The 12 utterances are of the reported half of training/names.tsv: names that no model has heard.
Measured, with the 24 names at 1.5 and at 3: F1 stays 0, and of 52 words as many are wrong as
without (CTC 17) or one less (transducer 19 and 20 of 20). In the 40 sentences of
client/test_wavs, where the names are wrong, no word of 177 is lost up to 3; at 8 the transducer
loses 20 and the CTC 8. The margin is one word, 3 at the high score. docs/benchmarks.md has the 240
and the 600, and why: a model with an open vocabulary would break the first law, and deserves a
better one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from auricle import audio
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository.populate import Deployment, populate
from auricle.client.hotword_scoring import score_hotwords
from auricle.client.manifests import read_text
from auricle.client.scoring import score
from auricle.hotword_files import Hotword, read_hotwords
from auricle.serve.backend.aids import load_phrases
from auricle.serve.backend.local import load_pipeline
from auricle.serve.pipeline import Pipeline
from auricle.serve.scorers import Phrases
from auricle.spec import Choices, Decoding

pytestmark = pytest.mark.onnx

ROOT = Path(__file__).parents[2]
NAMES = ROOT / "tests" / "data" / "names"
SENTENCES = ROOT / "client" / "test_wavs"
SEARCHES: dict[str, Decoding] = {
    "icefall-transducer": "modified_beam_search",
    "icefall-ctc": "prefix_beam_search",
}
SCORES = (1.5, 3.0)
MARGIN = 1  # word, for another processor's rounding
TOO_HIGH, LEAST_LOST = 8.0, 5  # a score, and the words that it costs at least


@dataclass(frozen=True)
class Speech:
    texts: Mapping[str, str]
    waveforms: Mapping[str, Waveform]


@dataclass(frozen=True)
class Recogniser:
    pipeline: Pipeline
    phrases: Phrases

    def hear(self, speech: Speech, token_score: float | None = None) -> dict[str, str]:
        """With the 24 names, or without where there is no score."""
        words = read_hotwords(NAMES / "names.txt") if token_score is not None else ()
        graph = self.phrases.compile(tuple(Hotword(each.phrase, token_score) for each in words))
        defaults = self.pipeline.defaults
        asked = replace(defaults, beam=replace(defaults.beam, hotwords=graph))
        waveforms = list(speech.waveforms.values())
        heard = self.pipeline.transcribe(waveforms, [asked] * len(waveforms))
        return dict(zip(speech.waveforms, (each.text for each in heard), strict=True))


@pytest.fixture(scope="module", params=SEARCHES)
def recogniser(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Recogniser:
    family = str(request.param)
    folder = ROOT / "assets" / family
    built = families.load(family).build(Checkpoint(folder, str(folder)), Options())
    repository = tmp_path_factory.mktemp("repository")
    populate(built, "model", repository, Deployment())
    choices, served = Choices(decoding=SEARCHES[family]), repository / "model" / "1"
    pipeline = load_pipeline(served, choices)
    phrases = load_phrases(pipeline.spec, choices, served, pipeline.tokens.symbols)
    assert phrases, "both have a beam"
    return Recogniser(pipeline, phrases)


@pytest.fixture(scope="module")
def named() -> Speech:
    return read(NAMES, "flac")


@pytest.fixture(scope="module")
def nameless() -> Speech:
    return read(SENTENCES, "wav")


def read(folder: Path, suffix: str) -> Speech:
    texts = read_text(folder / "text")
    return Speech(texts, {name: audio.load(folder / f"{name}.{suffix}", 16000) for name in texts})


def errors(speech: Speech, heard: Mapping[str, str]) -> int:
    return score(speech.texts, heard, "word").counts.errors


@pytest.mark.parametrize("token_score", SCORES)
def test_new_names_are_neither_found_nor_invented(
    token_score: float, recogniser: Recogniser, named: Speech
) -> None:
    names = [each.phrase for each in read_hotwords(NAMES / "names.txt")]
    without, heard = recogniser.hear(named), recogniser.hear(named, token_score)
    assert score_hotwords(named.texts, without, names).total.heard == 0
    assert score_hotwords(named.texts, heard, names).total.heard == 0
    assert errors(named, heard) <= errors(named, without) + MARGIN


@pytest.mark.parametrize("token_score", SCORES)
def test_wrong_names_cost_next_to_nothing(
    token_score: float, recogniser: Recogniser, nameless: Speech
) -> None:
    lost = errors(nameless, recogniser.hear(nameless, token_score))
    assert lost <= errors(nameless, recogniser.hear(nameless)) + MARGIN


def test_wrong_names_at_a_high_score_cost_many_words(
    recogniser: Recogniser, nameless: Speech
) -> None:
    lost = errors(nameless, recogniser.hear(nameless, TOO_HIGH))
    assert lost >= errors(nameless, recogniser.hear(nameless)) + LEAST_LOST
