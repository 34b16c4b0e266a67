"""What every encoder of whole utterances must hold to."""

import numpy as np
import numpy.typing as npt
import pytest

from auricle.build.export.embedder import embed
from auricle.build.export.served import batch_of, repeat
from auricle.build.export.session import Array, Session
from auricle.build.families import Built
from tests.families.checkpoints import OFFLINE

pytestmark = pytest.mark.onnx

HEAD_OUTPUTS = {
    "transducer": ["ENCODER_OUT", "OUT_LENS"],
    "recurrent_transducer": ["ENCODER_OUT", "OUT_LENS"],
    "ctc": ["TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS", "OUT_LENS"],
    "ctc_attention": [
        "TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS", "ENCODER_OUT", "OUT_LENS",
    ],
    "cif": ["TOKEN_IDS", "TOKEN_LOG_PROBS", "NUM_TOKENS", "OUT_LENS"],
    "autoregressive": ["ENCODER_OUT", "OUT_LENS"],
}  # fmt: skip


@pytest.fixture(scope="module", params=OFFLINE)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def encoder(built: Built) -> Session:
    return Session(built.graphs["encoder"])


def noise(num_samples: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def inputs_of(built: Built, rows: list[npt.NDArray[np.float32]]) -> dict[str, Array]:
    """A batch, with what a caller who asks for nothing gives the encoder beside it."""
    beside: dict[str, Array] = {}
    if built.spec.prompt:
        beside["LANGUAGE"] = np.zeros(1, np.int32)
        beside["TEXT_NORM"] = np.full(1, 15, np.int32)
    if built.spec.hotwords:
        nothing = [[built.spec.hotwords.last_id]]
        beside["BIAS_EMBED"] = embed(built.graphs["hotword_embedder"], nothing)
    return batch_of(rows) | {key: repeat(row, len(rows)) for key, row in beside.items()}


def valid_steps(output: str, single: dict[str, Array]) -> int:
    if output == "CIF_PEAKS":
        return 3 * int(single["OUT_LENS"][0])
    return int(single["NUM_TOKENS" if output.startswith("TOKEN_") else "OUT_LENS"][0])


def assert_rows_equal(batch: dict[str, Array], index: int, single: dict[str, Array]) -> None:
    """Bit for bit; only the sum that scales the peaks depends on the width of the batch."""
    for output, values in single.items():
        valid = slice(valid_steps(output, single) if values.ndim > 1 else None)
        tolerance = 1e-4 if output == "CIF_PEAKS" else 0
        np.testing.assert_allclose(
            np.atleast_1d(batch[output][index])[valid], np.atleast_1d(values[0])[valid],
            rtol=0, atol=tolerance, err_msg=output,
        )  # fmt: skip


def test_the_encoder_has_the_ports_of_its_head(built: Built) -> None:
    graph, facts = built.graphs["encoder"].graph, built.spec
    asked = ["LANGUAGE", "TEXT_NORM"] if facts.prompt else ["BIAS_EMBED"] if facts.hotwords else []
    assert [value.name for value in graph.input] == ["WAV", "WAV_LENS", *asked]
    outputs = [value.name for value in graph.output]
    assert [name for name in outputs if name != "CIF_PEAKS"] == HEAD_OUTPUTS[facts.head]
    assert ("CIF_PEAKS" in outputs) == facts.has_timestamps


def test_a_batch_equals_its_singles(built: Built, encoder: Session) -> None:
    rows = [noise(n) for n in (16_000, 80, 7_777, 30_001, 1)]
    batch = encoder.run(inputs_of(built, rows))
    for index, row in enumerate(rows):
        assert_rows_equal(batch, index, encoder.run(inputs_of(built, [row])))


def test_samples_beyond_the_length_change_nothing(built: Built, encoder: Session) -> None:
    row = noise(9_000)
    clean = encoder.run(inputs_of(built, [row]))
    filler = np.full(5_000, np.nan, np.float32)
    longer = {"WAV": np.concatenate([row, filler])[None]}
    assert_rows_equal(encoder.run(inputs_of(built, [row]) | longer), 0, clean)


@pytest.mark.parametrize("num_samples", [1, 399, 400, 1_000])
def test_the_shortest_audio_runs(num_samples: int, built: Built, encoder: Session) -> None:
    found = encoder.run(inputs_of(built, [noise(num_samples), np.zeros(num_samples, np.float32)]))
    assert all(np.isfinite(values).all() for values in found.values())
