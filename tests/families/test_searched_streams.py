"""What streams that a beam searches must hold to, with a language model and hotwords each."""

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auricle.build.families import Built
from auricle.build.repository import config
from auricle.build.repository.aids import Aids
from auricle.build.repository.populate import Deployment, populate
from auricle.errors import InvalidRequestError
from auricle.serve.backend.aids import load_aids, load_phrases
from auricle.serve.backend.beam_parameters import BeamMenu
from auricle.serve.backend.local import load_streaming_pipeline
from auricle.serve.backend.values import Value
from auricle.serve.decode import modified_beam
from auricle.serve.decode.endpoint import NEVER, Rules
from auricle.serve.runner import Runner, Tensors
from auricle.serve.scorers import Scorers
from auricle.serve.searches import Parts, create_searches
from auricle.serve.segments import Segment
from auricle.serve.stream import Chunk, Partial, Stream
from auricle.serve.stream_arrays import join
from auricle.serve.streaming import StreamingPipeline
from auricle.spec import BEAM_SEARCHES, parse_choices
from tests.families.checkpoints import SEARCHED, STREAMING
from tests.families.test_streamed_texts import cut, noise
from training import ngram

pytestmark = pytest.mark.onnx

FORMS = [form for form in STREAMING if form.partition("-")[0] in SEARCHED]
TRANSDUCERS = [form for form in FORMS if form.startswith("icefall_transducer")]
RULES = Rules(rule2=0.5, rule3=2.0)
FEW = settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass(frozen=True)
class Model:
    """What Triton would load, and how it reads the parameters of a first chunk."""

    pipeline: StreamingPipeline
    menu: BeamMenu
    folder: Path

    def listen(
        self, chunks: Sequence[Chunk], wish: Mapping[str, Value], rules: Rules = RULES
    ) -> tuple[list[Partial], list[Stream]]:
        """One stream alone: what it says, and what it is behind each chunk."""
        stream = self.pipeline.start(rules, self.menu.read(wish))
        partials, streams = [], []
        for chunk in chunks:
            (stream,), (partial,) = self.pipeline.step([stream], [chunk])
            partials.append(partial)
            streams.append(stream)
        return partials, streams


@dataclass
class Recorder:
    """A runner that keeps what it answered."""

    runner: Runner
    answers: list[Tensors] = field(default_factory=list)

    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        self.answers += (answers := self.runner.run(graph, batches))
        return answers


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def plain(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write(built, tmp_path_factory.mktemp("plain"), Aids())


@pytest.fixture(scope="module")
def heard(plain: Model) -> list[list[str]]:
    """The tokens of some noises."""
    symbols = plain.pipeline.tokens.symbols
    partials = [plain.listen(cut(noise(48000, seed), []), {}, NEVER)[0][-1] for seed in range(3)]
    return [[symbols[each] for each in partial.segments[0].hypothesis.ids] for partial in partials]


@pytest.fixture(scope="module")
def model(built: Built, heard: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("aids")
    sentences = [[token for token in tokens if token.strip()] for tokens in heard]
    ngram.write_arpa(folder / "tokens.arpa", ngram.estimate([*sentences, ["<unk>"]], order=2))
    return write(built, folder / "repository", Aids(folder / "tokens.arpa", "tokens"))


@pytest.fixture(scope="module")
def wishes(model: Model, heard: list[list[str]]) -> list[dict[str, Value]]:
    tokens = Counter(token.lstrip("▁") for tokens in heard for token in tokens)
    first, *others = [word for word, _ in tokens.most_common() if can_spell(model, word)][:4]
    return [
        {},
        {"asr_hotwords": json.dumps({first: 3.0})},
        {"asr_lm_weight": 1.5, "asr_lm_word_bonus": 0.5},
        {"asr_lm_weight": 0, "asr_hotwords": json.dumps(others), "asr_hotwords_score": 2.5},
    ]


def can_spell(model: Model, phrase: str) -> bool:
    try:
        return model.menu.read({"asr_hotwords": json.dumps([phrase])}).hotwords is not None
    except InvalidRequestError:
        return False


def write(built: Built, repository: Path, aids: Aids) -> Model:
    (written,) = populate(built, "model", repository, Deployment(aids=aids)).folders
    parameters = config.parse((written / config.FILE_NAME).read_text()).parameters
    chosen = parse_choices({name: each.string_value for name, each in parameters.items()})
    choices = replace(chosen, decoding=BEAM_SEARCHES[built.spec.head])
    pipeline = load_streaming_pipeline(written / "1", choices)
    phrases = load_phrases(built.spec, choices, written / "1", pipeline.tokens.symbols)
    return Model(pipeline, BeamMenu(built.spec, choices, pipeline.defaults, phrases), written / "1")


def finals(partials: Sequence[Partial]) -> list[Segment]:
    return [segment for each in partials for segment in each.segments if segment.is_final]


def said(partials: Sequence[Partial]) -> list[tuple[list[int], list[float] | None, float]]:
    """Of each segment the tokens, their frames, and its end."""
    segments = finals(partials)
    return [(each.hypothesis.ids, each.hypothesis.frames, each.end) for each in segments]


def scores(partials: Sequence[Partial]) -> list[float | None]:
    return [segment.hypothesis.score for segment in finals(partials)]


def test_every_wish_makes_a_difference(model: Model, wishes: list[dict[str, Value]]) -> None:
    chunks = cut(noise(64000), [])
    found = [scores(model.listen(chunks, wish)[0]) for wish in wishes]
    assert all(one != other for one, other in itertools.combinations(found, 2))


@FEW
@given(points=st.lists(st.integers(0, 48000), max_size=8))
def test_any_chunking_equals_one_chunk(
    model: Model, wishes: list[dict[str, Value]], points: list[int]
) -> None:
    waveform = noise(48000)
    for wish in wishes:
        pieces, _ = model.listen(cut(waveform, points), wish)
        whole, _ = model.listen(cut(waveform, []), wish)
        assert said(pieces) == said(whole)
        assert scores(pieces) == pytest.approx(scores(whole))
        assert pieces[-1].text == whole[-1].text


@FEW
@given(data=st.data())
def test_streams_of_different_wishes_side_by_side_equal_each_alone(
    model: Model, wishes: list[dict[str, Value]], data: st.DataObject
) -> None:
    waveforms = [noise(24000 + 9000 * row, row) for row in range(len(wishes))]
    points = st.lists(st.integers(0, 24000), max_size=4)
    waiting = [cut(waveform, data.draw(points)) for waveform in waveforms]
    alone = [model.listen(each, wish)[0] for each, wish in zip(waiting, wishes, strict=True)]
    streams = [model.pipeline.start(RULES, model.menu.read(wish)) for wish in wishes]
    together: list[list[Partial]] = [[] for _ in wishes]
    while rows := [row for row, chunks in enumerate(waiting) if chunks]:
        rows = sorted(data.draw(st.sets(st.sampled_from(rows), min_size=1)))
        behind, partials = model.pipeline.step(
            [streams[row] for row in rows], [waiting[row].pop(0) for row in rows]
        )
        for row, stream, partial in zip(rows, behind, partials, strict=True):
            streams[row] = stream
            together[row].append(partial)
    assert list(map(said, together)) == list(map(said, alone))
    assert [[each.text for each in row] for row in together] == [
        [each.text for each in row] for row in alone
    ]


def test_all_segments_of_a_stream_have_its_wish(
    model: Model, wishes: list[dict[str, Value]]
) -> None:
    for wish in wishes:
        asked = model.menu.read(wish)
        partials, streams = model.listen(cut(noise(96000), range(8000, 96000, 8000)), wish)
        assert len(finals(partials)) > 2
        assert {stream.asked for stream in streams} == {asked}


@pytest.mark.parametrize("form", TRANSDUCERS, scope="module")
def test_a_segment_begins_behind_the_last_tokens_of_the_one_before(
    model: Model, wishes: list[dict[str, Value]]
) -> None:
    size = model.pipeline.spec.context_size
    for wish in wishes:
        partials, streams = model.listen(cut(noise(96000), range(400, 96000, 400)), wish)
        num_ended = 0
        for partial, stream in zip(partials[:-1], streams[:-1], strict=True):
            ended = [each.hypothesis.ids for each in partial.segments if each.is_final]
            if ended and not stream.num_windows and len(ended[-1]) >= size:
                assert isinstance(stream.memory, modified_beam.Beam)
                assert stream.memory.contexts.tolist() == [ended[-1][-size:]]
                num_ended += 1
        assert num_ended


def test_what_is_stable_only_grows_and_its_deltas_are_the_text(
    model: Model, wishes: list[dict[str, Value]]
) -> None:
    for wish in wishes:
        partials, _ = model.listen(cut(noise(64000), range(4000, 64000, 4000)), wish)
        stable = ""
        for partial in partials:
            stable += partial.delta
            assert partial.stable == stable
            assert partial.text.startswith(stable)
        assert stable == partials[-1].text != ""


def test_a_stream_s_end_flushes_all_of_it(model: Model, wishes: list[dict[str, Value]]) -> None:
    for wish in wishes:
        partials, _ = model.listen(cut(noise(40000), [39999]), wish, NEVER)
        (segment,) = finals(partials)
        assert (segment.end, partials[-1].is_final) == (2.5, True)
        assert partials[-1].stable == partials[-1].text
        text = model.pipeline.tokens.transcribe(segment.hypothesis).text
        assert partials[-1].text == text


def test_a_stream_in_one_segment_is_what_the_search_finds_of_all_windows(
    model: Model, wishes: list[dict[str, Value]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, facts = model.pipeline, model.pipeline.spec
    recorder = Recorder(pipeline.runner)
    monkeypatch.setattr(pipeline, "runner", recorder)
    aids = load_aids(facts, pipeline.choices, model.folder, pipeline.tokens.symbols)
    parts = Parts(facts, pipeline.choices, recorder.runner, Scorers(aids.language_model))
    search = create_searches(parts)[pipeline.choices.decoding]
    for wish in wishes:
        recorder.answers.clear()
        asked = replace(model.menu.read(wish), width=pipeline.choices.beam)
        (segment,) = finals(model.listen(cut(noise(40000), []), wish, NEVER)[0])
        windows = [
            {name: array[0] for name, array in each.items() if name != "NEW_STATE"}
            for each in recorder.answers
        ]
        ((best, *_),) = search(join(windows), [asked])
        assert segment.hypothesis.ids == best.ids
        assert segment.hypothesis.score == pytest.approx(best.score)


def test_final_segments_tell_alternatives_to_whom_asked(model: Model) -> None:
    waveform = noise(64000)
    plain, _ = model.listen(cut(waveform, []), {})
    partials, _ = model.listen(cut(waveform, [20000]), {"asr_nbest": 3})
    assert all(segment.nbest is None for segment in finals(plain))
    assert said(partials) == said(plain)
    for segment in finals(partials):
        assert segment.nbest is not None
        texts = [each.text for each in segment.nbest]
        assert len(set(texts)) == len(texts) <= 3
        assert texts[0] == model.pipeline.tokens.transcribe(segment.hypothesis).text
        assert segment.nbest[0].score == pytest.approx(segment.hypothesis.score)
    assert any(len(segment.nbest or ()) > 1 for segment in finals(partials))
