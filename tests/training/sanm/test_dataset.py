"""Stacked, normalised batches: what they hold, and that varying them keeps to their text."""

import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")
pytest.importorskip("kaldi_native_fbank")

from training.features import low_frame_rate  # noqa: E402
from training.sanm.dataset import Cmvn, Example, collate, glue, measure_cmvn  # noqa: E402


@pytest.fixture
def examples() -> list[Example]:
    rng = np.random.default_rng(0)
    texts = ["one", "二三", "", "stop now", "四"] * 4
    return [
        Example(rng.normal(12, 3, (20 + 7 * index, 80)).astype(np.float16), text)
        for index, text in enumerate(texts)
    ]


def test_normalised_frames_have_mean_0_and_deviation_1(examples: list[Example]) -> None:
    batch = collate(examples, measure_cmvn(examples), None)
    rows = zip(batch.speech, batch.speech_lens, strict=True)
    frames = torch.cat([row[:length] for row, length in rows])
    torch.testing.assert_close(frames.mean(dim=0), torch.zeros(560), rtol=0, atol=1e-4)
    torch.testing.assert_close(frames.std(dim=0), torch.ones(560), rtol=0, atol=1e-2)


def test_without_variation_a_row_is_what_the_server_computes(examples: list[Example]) -> None:
    cmvn = Cmvn(np.full(560, -12, np.float32), np.full(560, 0.5, np.float32))
    batch = collate(examples, cmvn, None)
    assert batch.texts == [example.text for example in examples]
    for row, length, example in zip(batch.speech, batch.speech_lens, examples, strict=True):
        expected = (low_frame_rate(example.features.astype(np.float32)) - 12) * 0.5
        np.testing.assert_allclose(row[:length].numpy(), expected, rtol=0, atol=1e-5)
        assert not row[length:].any()


def test_glued_examples_are_the_same_speech(examples: list[Example]) -> None:
    glued = glue(examples, random.Random(0))
    assert len(glued) < len(examples)

    def total(rows: list[Example]) -> tuple[int, list[str]]:
        spoken = "".join(row.text for row in rows).replace(" ", "")
        return sum(len(row.features) for row in rows), sorted(spoken)

    assert total(glued) == total(examples)
    assert not any(row.text.isascii() != row.text[:1].isascii() for row in glued if row.text)


def test_variation_is_seeded(examples: list[Example]) -> None:
    cmvn = measure_cmvn(examples)
    first, again, other = (
        collate(examples, cmvn, random.Random(seed)).speech for seed in (1, 1, 2)
    )
    torch.manual_seed(0)
    assert first.shape == again.shape
    assert first.shape != other.shape or not torch.equal(first, other)
