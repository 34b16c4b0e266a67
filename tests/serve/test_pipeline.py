import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from auricle.serve import pipeline
from auricle.serve.pipeline import Pipeline
from auricle.serve.runner import Tensors
from auricle.serve.tokens import TokenTable
from auricle.spec import Choices, PipelineSpec, Source
from tests.conftest import FakeRunner

RATE = 100
SPEC = PipelineSpec(
    family="icefall-ctc",
    head="ctc",
    sample_rate=RATE,
    seconds_per_frame=0.04,
    graphs={"encoder": "encoder.onnx"},
    tokens="tokens.txt",
    token_kind="char",
    blank_id=0,
    unk_id=None,
    context_size=0,
    max_seconds=None,
    source=Source("nowhere", None, {}),
)
choices = st.builds(
    Choices,
    max_sub_batch=st.integers(1, 8),
    max_padding=st.floats(0, 1),
    max_batch_seconds=st.floats(0.1, 100),
)
lengths = st.lists(st.integers(1, 1000), min_size=1, max_size=40)


@given(lengths, choices)
def test_a_plan_holds_every_row_once(lens: list[int], chosen: Choices) -> None:
    plan = pipeline.plan_sub_batches(lens, chosen, RATE)
    assert sorted(row for rows in plan for row in rows) == list(range(len(lens)))


@given(lengths, choices)
def test_a_plan_keeps_every_bound(lens: list[int], chosen: Choices) -> None:
    for rows in pipeline.plan_sub_batches(lens, chosen, RATE):
        padded = len(rows) * max(lens[row] for row in rows)
        padding = padded - sum(lens[row] for row in rows)
        assert len(rows) <= chosen.max_sub_batch
        assert padding <= chosen.max_padding * padded
        assert len(rows) == 1 or padded <= chosen.max_batch_seconds * RATE


def spell_length(batch: Tensors) -> Tensors:
    """An encoder whose text is the first sample of each row, as many frames as samples / 10."""
    lens = np.array([max(length // 10, 1) for length in batch["WAV_LENS"].tolist()], np.int32)
    ids = np.zeros((len(lens), lens.max(), 1), np.int32)
    ids[:, 0, 0] = batch["WAV"][:, 0]
    log_probs = np.zeros(ids.shape, np.float32)
    return {"TOPK_IDS": ids, "TOPK_LOG_PROBS": log_probs, "OUT_LENS": lens}


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 25)), min_size=1, max_size=20))
def test_transcripts_come_back_in_the_order_of_the_waveforms(
    utterances: list[tuple[int, int]],
) -> None:
    letters = [chr(ord("a") + index) for index in range(26)]
    runner = FakeRunner({"encoder": spell_length})
    recogniser = Pipeline(SPEC, Choices(max_sub_batch=3), runner, TokenTable(letters, "char", 0.04))
    waveforms = [np.full(length, token, np.float32) for length, token in utterances]
    texts = [transcript.text for transcript in recogniser.transcribe(waveforms)]
    assert texts == [letters[token] for _, token in utterances]


def test_rows_are_padded_with_silence_behind_their_lengths() -> None:
    batch = pipeline.pad([np.ones(3, np.float32), np.ones(1, np.float32)])
    assert batch["WAV"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["WAV_LENS"].tolist() == [3, 1]
