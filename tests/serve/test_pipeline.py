import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.errors import RepositoryError
from auricle.serve.options import BeamOptions, DecodingOptions
from auricle.serve.pipeline import Pipeline
from auricle.serve.planning import Waveform, group
from auricle.serve.runner import Tensors
from auricle.serve.searches import SEARCHES
from auricle.serve.tokens import TokenTable, Transcript
from auricle.spec import DECODINGS, Choices, Decoding, Hotwords, PipelineSpec, Prompt, Source
from tests.conftest import FakeRunner

LETTERS = [chr(ord("a") + index) for index in range(26)]
SPEC = PipelineSpec(
    family="icefall-ctc",
    head="ctc",
    sample_rate=100,
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
PROMPT = Prompt({"auto": 0, "en": 4}, {"woitn": 15, "withitn": 14}, lead_frames=0)
GREEDY = DecodingOptions("greedy_search")


def spell_length(batch: Tensors) -> Tensors:
    """An encoder whose text is the first sample of each row, as many frames as samples / 10."""
    return spell(batch, batch["WAV"][:, 0].tolist())


def spell_language(batch: Tensors) -> Tensors:
    columns = zip(batch["LANGUAGE"].tolist(), batch["TEXT_NORM"].tolist(), strict=True)
    return spell(batch, [language + text_norm - 10 for language, text_norm in columns])


def spell_hotwords(batch: Tensors) -> Tensors:
    return spell(batch, [sum(map(sum, row)) for row in batch["BIAS_EMBED"].tolist()])


def spell(batch: Tensors, tokens: Sequence[float]) -> Tensors:
    lens = np.array([max(length // 10, 1) for length in batch["WAV_LENS"].tolist()], np.int32)
    ids = np.zeros((len(lens), lens.max(), 1), np.int32)
    ids[:, 0, 0] = tokens
    log_probs = np.zeros(ids.shape, np.float32)
    return {"TOPK_IDS": ids, "TOPK_LOG_PROBS": log_probs, "OUT_LENS": lens}


def embed_sum(batch: Tensors) -> Tensors:
    """An embedder that gives each hotword the sum of its ids."""
    return {"hw_embed": batch["hotwords"].sum(axis=1, keepdims=True).astype(np.float32)}


def waveform(token: int, length: int = 20) -> Waveform:
    return np.full(length, token, np.float32)


def make(runner: FakeRunner, spec: PipelineSpec = SPEC, choices: Choices | None = None) -> Pipeline:
    return Pipeline(spec, choices or Choices(), runner, TokenTable(LETTERS, "char", 0.04))


def texts(
    pipeline: Pipeline, waveforms: Sequence[Waveform], options: list[DecodingOptions] | None = None
) -> list[str]:
    return [transcript.text for transcript in pipeline.transcribe(waveforms, options)]


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 25)), min_size=1, max_size=20))
def test_transcripts_come_back_in_the_order_of_the_waveforms(
    utterances: list[tuple[int, int]],
) -> None:
    pipeline = make(FakeRunner({"encoder": spell_length}), choices=Choices(max_sub_batch=3))
    waveforms = [waveform(token, length) for length, token in utterances]
    assert texts(pipeline, waveforms) == [LETTERS[token] for _, token in utterances]


def test_a_caller_s_language_and_text_norm_are_its_own_in_a_shared_run() -> None:
    runner = FakeRunner({"encoder": spell_language})
    spec = dataclasses.replace(SPEC, prompt=PROMPT)
    pipeline = make(runner, spec, Choices(max_sub_batch=4))
    asked = [
        dataclasses.replace(GREEDY, language=language, text_norm=text_norm)
        for language, text_norm in ((4, 15), (0, 14), (0, 15))
    ]
    heard = texts(pipeline, [waveform(0, 20), waveform(0, 22), waveform(0, 21)], asked)
    assert heard == [LETTERS[9], LETTERS[4], LETTERS[5]]
    assert [len(batches) for _, batches in runner.asked] == [1]


def test_the_first_language_and_text_norm_are_the_default() -> None:
    pipeline = make(
        FakeRunner({"encoder": spell_language}), dataclasses.replace(SPEC, prompt=PROMPT)
    )
    assert texts(pipeline, [waveform(0)]) == [LETTERS[0 + 15 - 10]]


HOTWORDS_SPEC = dataclasses.replace(SPEC, hotwords=Hotwords(max_tokens=3, last_id=1))


def test_one_callers_hotwords_are_no_others() -> None:
    runner = FakeRunner({"encoder": spell_hotwords, "hotword_embedder": embed_sum})
    pipeline = make(runner, HOTWORDS_SPEC, Choices(max_sub_batch=4))
    lists = [(), ((2, 3), (4,)), (), ((2,),), ((2, 3), (4,))]
    asked = [dataclasses.replace(GREEDY, hotwords=hotwords) for hotwords in lists]
    heard = texts(pipeline, [waveform(0)] * 5, asked)
    assert heard == [LETTERS[1 + sum(map(sum, hotwords))] for hotwords in lists]
    encoder_runs = [batches for graph, batches in runner.asked if graph == "encoder"]
    assert [len(batches) for batches in encoder_runs] == [3]


def test_a_list_of_hotwords_is_embedded_once() -> None:
    runner = FakeRunner({"encoder": spell_hotwords, "hotword_embedder": embed_sum})
    pipeline = make(runner, HOTWORDS_SPEC)
    for _ in range(3):
        texts(pipeline, [waveform(0)], [dataclasses.replace(GREEDY, hotwords=((2,),))])
    assert [graph for graph, _ in runner.asked].count("hotword_embedder") == 1


def test_hotwords_of_a_graph_that_mixes_them_up_run_alone() -> None:
    runner = FakeRunner({"encoder": spell_hotwords, "hotword_embedder": embed_sum})
    spec = dataclasses.replace(HOTWORDS_SPEC, hotwords=Hotwords(3, 1, runs_alone=True))
    asked = [
        dataclasses.replace(GREEDY, hotwords=hotwords) for hotwords in [((2,),)] * 3 + [()] * 2
    ]
    texts(make(runner, spec, Choices(max_sub_batch=4)), [waveform(0)] * 5, asked)
    (batches,) = (batches for graph, batches in runner.asked if graph == "encoder")
    assert [len(batch["WAV"]) for batch in batches] == [1, 1, 1, 2]


def test_every_decoding_of_every_head_has_its_search() -> None:
    apart = ("autoregressive", "vad")  # which have no search of their own
    ours = {head: names for head, names in DECODINGS.items() if head not in apart}
    assert set(SEARCHES) == {(head, name) for head, names in ours.items() for name in names}


def test_choices_that_do_not_fit_the_model_are_refused() -> None:
    with pytest.raises(RepositoryError, match="parameter decoding is 'attention_rescoring'"):
        make(FakeRunner({}), choices=Choices(decoding="attention_rescoring"))


def test_a_last_frame_that_reaches_behind_the_audio_ends_with_it() -> None:
    short, long = make(FakeRunner({"encoder": spell_length})).transcribe(
        [waveform(1, length=3), waveform(2, length=4)]
    )
    assert [word.end for word in (*short.words, *long.words)] == pytest.approx([0.03, 0.04])


SPEC_PIECES = dataclasses.replace(SPEC, token_kind="bpe")
PIECES = ["<blk>", "▁a", "▁", "a", "▁b"]


def spell_twice(batch: Tensors) -> Tensors:
    """Frames of which "▁a" and "▁", "a" spell the same, and "▁b" another text."""
    probs = np.array([[0.02, 0.42, 0.34, 0.01, 0.21], [0.44, 0.02, 0.03, 0.5, 0.01]], np.float32)
    log_probs = np.broadcast_to(np.log(probs), (len(batch["WAV"]), 2, 5))
    ids = np.argsort(-log_probs, axis=2, kind="stable").astype(np.int32)
    return {
        "TOPK_IDS": ids,
        "TOPK_LOG_PROBS": np.take_along_axis(log_probs, ids, axis=2),
        "BLANK_LOG_PROBS": log_probs[..., 0],
        "OUT_LENS": np.full(len(ids), 2, np.int32),
    }


def hear_twice(*asked: DecodingOptions) -> list[Transcript]:
    tokens = TokenTable(PIECES, "bpe", 0.04)
    pipeline = Pipeline(SPEC_PIECES, Choices(), FakeRunner({"encoder": spell_twice}), tokens)
    return pipeline.transcribe([waveform(0)] * len(asked), asked)


def beam_of(nbest: int, decoding: Decoding = "prefix_beam_search") -> DecodingOptions:
    return DecodingOptions(decoding, beam=BeamOptions(nbest=nbest))


def test_nbest_are_different_texts_the_best_first() -> None:
    (heard,) = hear_twice(beam_of(20))
    assert heard.nbest
    texts = [each.text for each in heard.nbest]
    assert texts[0] == heard.text
    assert len(set(texts)) == len(texts)
    scores = [each.score or 0 for each in heard.nbest]
    assert scores == sorted(scores, reverse=True)


def test_nbest_are_no_more_than_each_asks() -> None:
    heard = hear_twice(*map(beam_of, (1, 2, 3)))
    assert [len(each.nbest or ()) for each in heard] == [1, 2, 3]


@pytest.mark.parametrize("asked", [beam_of(0), beam_of(3, "greedy_search")], ids=["none", "greedy"])
def test_nbest_are_none_where_nobody_asks_or_a_search_has_none(asked: DecodingOptions) -> None:
    (heard,) = hear_twice(asked)
    assert heard.nbest is None


def test_utterances_share_a_search_whatever_only_their_scores_differ_in() -> None:
    several = [BeamOptions(), BeamOptions(nbest=3), BeamOptions(lm_weight=1.0, lm_word_bonus=2.0)]
    apart = [BeamOptions(width=3), BeamOptions(blank_penalty=1.0)]
    asked = [DecodingOptions("prefix_beam_search", beam=beam) for beam in (*several, *apart)]
    assert group([*asked, GREEDY]) == [[0, 1, 2], [3], [4], [5]]


def test_a_transcript_is_written_as_its_row_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auricle.serve.written.create_itn", lambda language: lambda text: language)
    asked = [dataclasses.replace(GREEDY, itn=itn) for itn in ("off", "en", "on", "zh")]
    heard = texts(make(FakeRunner({"encoder": spell_length})), [waveform(3)] * 4, asked)
    assert heard == ["d", "en", "d", "zh"]
