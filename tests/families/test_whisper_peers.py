"""Whisper token for token as transformers' generate and sherpa-onnx hear it, on random weights.

Random weights are enough for parity: whatever is computed otherwise changes a token within a few.
"""

import base64
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sherpa_onnx

from auricle import audio
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository.populate import Deployment, populate
from auricle.serve.backend.local import load_pipeline
from auricle.serve.options import DecodingOptions
from auricle.serve.pipeline import Pipeline
from auricle.serve.tokens import Transcript
from auricle.spec import Autoregressive, Choices
from tests.build import tiny_whisper
from tests.build.tiny_whisper import BASE, FULL, LANGUAGES, LARGE_V3, SHERPA, Tiny
from tests.conftest import ROOT

transformers = pytest.importorskip("transformers", reason="pip install 'auricle[dev]'")
torch = pytest.importorskip("torch", reason="pip install 'auricle[dev]'")

pytestmark = pytest.mark.onnx

SETS = (ROOT / "client" / "test_wavs", ROOT / "client" / "test_wavs_mandarin")
CHOICES = Choices(max_sub_batch=4)
# A real Whisper writes times where it is asked to; a random one anywhere, and then transformers
# moves its window. Where none are asked for, these may not write them.
UNTIMED, UNTIMED_LARGE = replace(BASE, writes_times=False), replace(LARGE_V3, writes_times=False)
ENGLISH_ONLY = replace(UNTIMED, is_multilingual=False, seed=4)
WRITERS = {
    "optimum": (tiny_whisper.write_optimum, UNTIMED),
    "merged": (tiny_whisper.write_merged, UNTIMED_LARGE),
    "merged-80": (tiny_whisper.write_merged, UNTIMED),
    "english": (tiny_whisper.write_optimum, ENGLISH_ONLY),
    "times": (tiny_whisper.write_optimum, BASE),
    "times-large": (tiny_whisper.write_merged, LARGE_V3),
    "sherpa": (tiny_whisper.write_sherpa, SHERPA),
    "sherpa-full": (tiny_whisper.write_sherpa, FULL),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.fixture(scope="module")
def speech() -> list[Waveform]:
    """Of 1 to 4 s, English and Mandarin."""
    paths = [path for folder in SETS for path in sorted(folder.glob("*.wav"))[:12]]
    return [audio.load(path, 16000) for path in paths]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pipeline]:
    @functools.cache
    def build(kind: str) -> Pipeline:
        write, tiny = WRITERS[kind]
        folder = write(tmp_path_factory.mktemp("checkpoint") / kind, tiny)
        built = families.load("whisper").build(Checkpoint(folder, kind), Options())
        repository = tmp_path_factory.mktemp("repository")
        populate(built, "model", repository, Deployment())
        return load_pipeline(repository / "model" / "1", CHOICES)

    return build


@pytest.fixture
def pipeline(request: pytest.FixtureRequest, serve: Callable[[str], Pipeline]) -> Pipeline:
    return serve(request.param)


def facts_of(pipeline: Pipeline) -> Autoregressive:
    assert pipeline.spec.autoregressive is not None
    return pipeline.spec.autoregressive


def ids_of(pipeline: Pipeline, transcript: Transcript) -> list[int]:
    table = {symbol: number for number, symbol in enumerate(pipeline.tokens.symbols)}
    return [table[token.text] for token in transcript.tokens]


def features_of(tiny: Tiny, waveforms: Sequence[Waveform]) -> Any:
    extractor = transformers.WhisperFeatureExtractor(tiny.num_mel_bins, chunk_length=tiny.seconds)
    length = tiny.seconds * 16000
    rows = [np.pad(each[:length], (0, max(0, length - len(each)))) for each in waveforms]
    return torch.tensor(np.stack([extractor._np_extract_fbank_features(row[None], "cpu")[0]
                                  for row in rows]), dtype=torch.float32)  # fmt: skip


def generate(tiny: Tiny, waveforms: Sequence[Waveform], **asked: Any) -> list[list[int]]:
    """Greedy search of transformers: ids of text, of each utterance."""
    model = tiny_whisper.make_model(tiny)
    found = model.generate(features_of(tiny, waveforms), do_sample=False, num_beams=1, **asked)
    end = model.generation_config.eos_token_id
    return [[each for each in row if each < end] for row in found.tolist()]


def ours(
    pipeline: Pipeline, waveforms: Sequence[Waveform], options: DecodingOptions | None = None
) -> list[list[int]]:
    asked = [options or pipeline.defaults] * len(waveforms)
    found = pipeline.transcribe(waveforms, asked)
    return [ids_of(pipeline, transcript) for transcript in found]


@pytest.mark.parametrize(
    ("pipeline", "tiny"),
    [("optimum", UNTIMED), ("merged", UNTIMED_LARGE), ("merged-80", UNTIMED)],
    indirect=["pipeline"],
)
def test_tokens_are_those_of_transformers(
    pipeline: Pipeline, tiny: Tiny, speech: list[Waveform]
) -> None:
    """With the language that it detects itself."""
    expected = generate(tiny, speech, task="transcribe")
    assert ours(pipeline, speech) == expected
    assert len(set(map(tuple, expected))) > 3
    assert len(set(map(len, expected))) > 3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", ["transcribe", "translate"])
@pytest.mark.parametrize("pipeline", ["optimum"], indirect=True)
def test_languages_and_tasks_are_those_of_transformers(
    language: str, task: str, pipeline: Pipeline, speech: list[Waveform]
) -> None:
    facts = facts_of(pipeline)
    options = replace(pipeline.defaults, language=facts.languages[language], task=facts.tasks[task])
    assert ours(pipeline, speech, options) == generate(
        UNTIMED, speech, language=language, task=task
    )


@pytest.mark.parametrize("pipeline", ["merged"], indirect=True)
def test_the_language_is_told_as_transformers_detects_it(
    pipeline: Pipeline, speech: list[Waveform]
) -> None:
    model = tiny_whisper.make_model(UNTIMED_LARGE)
    numbers = model.detect_language(features_of(UNTIMED_LARGE, speech)).tolist()
    codes = {number: code for code, number in facts_of(pipeline).languages.items()}
    found = [each.language for each in pipeline.transcribe(speech)]
    assert found == [codes[number] for number in numbers]


@pytest.mark.parametrize("pipeline", ["english"], indirect=True)
def test_a_model_of_one_language_is_asked_for_none(
    pipeline: Pipeline, speech: list[Waveform]
) -> None:
    assert ours(pipeline, speech) == generate(ENGLISH_ONLY, speech)
    assert pipeline.transcribe(speech[:1])[0].language is None


@pytest.mark.parametrize("pipeline", ["optimum"], indirect=True)
def test_a_prompt_is_heard_as_transformers_hears_it(
    pipeline: Pipeline, speech: list[Waveform]
) -> None:
    facts = facts_of(pipeline)
    before = (40, 41, 42, 43, 44)
    options = replace(pipeline.defaults, language=facts.languages["en"], prompt=before)
    prompt_ids = torch.tensor([facts.previous_id, *before])
    expected = generate(UNTIMED, speech, language="en", task="transcribe", prompt_ids=prompt_ids)
    # transformers counts the prompt before the limit, and gives it back with the tokens.
    expected = [row[len(before) :] if row[: len(before)] == list(before) else row
                for row in expected]  # fmt: skip
    assert ours(pipeline, speech, options) == expected
    assert ours(pipeline, speech, options) != ours(pipeline, speech)


@pytest.mark.parametrize("pipeline", ["optimum"], indirect=True)
def test_a_prefix_is_all_that_the_decoder_hears(pipeline: Pipeline, speech: list[Waveform]) -> None:
    facts = facts_of(pipeline)
    prefix = (facts.start_id, facts.languages["zh"], facts.tasks["translate"],
              facts.no_timestamps_id)  # fmt: skip
    found = pipeline.transcribe(speech, [replace(pipeline.defaults, prefix=prefix)] * len(speech))
    told = generate(UNTIMED, speech, language="zh", task="translate")
    assert [ids_of(pipeline, each) for each in found] == told
    assert {each.language for each in found} == {"zh"}


@pytest.mark.parametrize(
    ("pipeline", "tiny"), [("times", BASE), ("times-large", LARGE_V3)], indirect=["pipeline"]
)
@pytest.mark.parametrize("seconds", [3.0, 5.0, 11.0])
def test_passages_are_those_of_transformers(
    seconds: float, pipeline: Pipeline, tiny: Tiny, speech: list[Waveform]
) -> None:
    """Of a window, and of audio of several: each begins where the one before ended.

    transformers takes the largest value of the features from the whole audio, and here each window
    has its own; so it is given the windows one by one.
    """
    waveform = np.tile(np.concatenate(speech[:8]), 2)[: int(seconds * 16000)]
    facts = facts_of(pipeline)
    options = replace(pipeline.defaults, language=facts.languages["en"], timestamps=True)
    (found,) = pipeline.transcribe([waveform], [options])
    expected = segments(tiny, facts, waveform)
    texts = [ids_of(pipeline, passage.transcript) for passage in found.parts or ()]
    assert texts == [text for _, _, text in expected]
    for passage, (start, end, _) in zip(found.parts or (), expected, strict=True):
        assert passage.start == pytest.approx(min(start, seconds), abs=1e-6)
        assert passage.end == pytest.approx(min(end, seconds), abs=1e-6)
    assert ids_of(pipeline, found) == [token for text in texts for token in text]


def segments(
    tiny: Tiny, facts: Autoregressive, waveform: Waveform
) -> list[tuple[float, float, list[int]]]:
    """Start, end and ids of text, by transformers' rules and its reading of the times."""
    from transformers.models.whisper.generation_whisper import WhisperGenerationMixin

    found, start = [], 0
    while len(waveform) - start >= 160:
        window = waveform[start : start + tiny.seconds * 16000]
        ids = write_window(tiny, facts, window)
        parts, offset = WhisperGenerationMixin._retrieve_segment(
            seek_sequence=ids, seek_outputs=[ids], time_offset=torch.tensor([start / 16000]),
            timestamp_begin=facts.first_timestamp_id, time_precision=0.02,
            seek_num_frames=torch.tensor([len(window) // 320 * 2]), time_precision_features=0.01,
            input_stride=2, prev_idx=0, idx=0, return_token_timestamps=False,
            decoder_input_ids=torch.zeros(1, 0, dtype=torch.int64),
        )  # fmt: skip
        for part in parts:
            text = [each for each in part["tokens"].tolist() if each < facts.end_id]
            found.append((float(part["start"]), float(part["end"]), text))
        is_last = int(offset) == len(window) // 320 * 2
        start = start + len(window) if is_last else start + int(offset) * 160
    return found


def write_window(tiny: Tiny, facts: Autoregressive, window: Waveform) -> Any:
    """What transformers' greedy search writes about a window, times among it."""
    from transformers.generation import logits_process as process

    model = tiny_whisper.make_model(tiny)
    prompt = torch.tensor([[facts.start_id, facts.languages["en"], facts.tasks["transcribe"]]])
    config = transformers.GenerationConfig(
        eos_token_id=facts.end_id, pad_token_id=facts.end_id, max_length=tiny.positions,
        decoder_start_token_id=facts.start_id, no_timestamps_token_id=facts.no_timestamps_id,
        max_initial_timestamp_index=facts.max_initial_timestamp, do_sample=False, num_beams=1,
    )  # fmt: skip
    rules = [
        process.SuppressTokensAtBeginLogitsProcessor(facts.begin_suppressed_ids, 3),
        process.SuppressTokensLogitsProcessor(facts.suppressed_ids),
        process.WhisperTimeStampLogitsProcessor(config, 3),
    ]
    ids = transformers.GenerationMixin.generate(
        model, features_of(tiny, [window]), generation_config=config,
        decoder_input_ids=prompt, logits_processor=process.LogitsProcessorList(rules),
    )[0, 3:]  # fmt: skip
    return ids[ids != facts.end_id]


@pytest.mark.parametrize("pipeline", ["times", "times-large", "sherpa"], indirect=True)
def test_a_batch_equals_its_singles(pipeline: Pipeline, speech: list[Waveform]) -> None:
    facts = facts_of(pipeline)
    languages = [None, *facts.languages.values()]
    mixed = [
        replace(pipeline.defaults, language=languages[number % 4], timestamps=number % 3 == 0,
                prompt=(5, 6, 7)[: number % 4])
        for number in range(len(speech))
    ]  # fmt: skip
    longer = [np.concatenate([speech[0], each, each])[: 16000 * (1 + number % 9)]
              for number, each in enumerate(speech)]  # fmt: skip
    together = pipeline.transcribe(longer, mixed)
    alone = [pipeline.transcribe([each], [asked])[0]
             for each, asked in zip(longer, mixed, strict=True)]  # fmt: skip
    assert together == alone


@pytest.mark.parametrize("pipeline", ["sherpa-full"], indirect=True)
def test_tokens_are_those_of_sherpa_onnx(
    pipeline: Pipeline, speech: list[Waveform], tmp_path: Path
) -> None:
    """It knows no rules, and computes the features by itself.

    It fills short audio up with zeros in the features, not with silence, so it hears whole windows;
    and it writes half of what the decoder takes at most, times among it.
    """
    folder = tiny_whisper.write_sherpa(tmp_path / "checkpoint", FULL)
    free = replace(facts_of(pipeline), suppressed_ids=[], begin_suppressed_ids=[])
    spec = replace(pipeline.spec, autoregressive=free)
    unruled = Pipeline(spec, CHOICES, pipeline.runner, pipeline.tokens)
    options = replace(unruled.defaults, language=free.languages["de"])
    joined = np.concatenate(speech)
    windows = [np.roll(joined, 50_000 * number)[:480_000] for number in range(4)]
    found = unruled.transcribe(windows, [options] * 4)
    names = [f"{number},".encode() for number in range(free.end_id)]  # bytes need be no text
    lines = [f"{base64.b64encode(name).decode()} {n}\n" for n, name in enumerate(names)]
    readable = "".join(lines)
    (folder / "tiny-tokens.txt").write_text(readable)
    peer = sherpa_onnx.OfflineRecognizer.from_whisper(
        encoder=str(folder / "tiny-encoder.onnx"),
        decoder=str(folder / "tiny-decoder.onnx"),
        tokens=str(folder / "tiny-tokens.txt"),
        language="de",
        num_threads=1,
    )
    for waveform, transcript in zip(windows, found, strict=True):
        stream = peer.create_stream()
        stream.accept_waveform(16000, waveform)
        peer.decode_stream(stream)
        theirs = [int(number) for number in stream.result.text.split(",") if number.strip()]
        assert theirs == ids_of(pipeline, transcript)[: len(theirs)]
        assert len(theirs) > 10
