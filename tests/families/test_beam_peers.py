"""Modified beam search, token for token as sherpa-onnx has it on the same files."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import sherpa_onnx
from numpy.typing import NDArray

from auricle import audio
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository.populate import Deployment, populate
from auricle.client.manifests import read_text
from auricle.serve.backend.local import load_pipeline
from auricle.serve.decode import modified_beam, transducer
from auricle.serve.decode.fusion import Floats, Ints, Scorer
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.pipeline import Pipeline
from auricle.serve.planning import pad
from auricle.serve.searches import create_networks
from auricle.spec import Choices

spm = pytest.importorskip("sentencepiece", reason="pip install 'auricle[dev]'")

pytestmark = pytest.mark.onnx

ROOT = Path(__file__).parents[2]
FOLDER, WAVS = ROOT / "assets" / "icefall-transducer", ROOT / "client" / "test_wavs"
HOTWORDS = ["turn", "red", "gardens left", "mother", "sixty"]  # some said, some nearly
NUM_CHANGED = {1.5: 2, 4.0: 9}  # of 40, by scores: what the hotwords do


@dataclass
class Node:
    """Of a trie of hotwords; score: of the tokens from the root."""

    score: float = 0.0
    is_end: bool = False
    next: dict[int, "Node"] = field(default_factory=dict)
    fail: "Node | None" = None  # the longest other beginning that ends here; the root has none


class ContextGraph:
    """The automaton of sherpa-onnx's hotwords, where what is matched begins anew."""

    state_size = 1

    def __init__(self, phrases: Sequence[Sequence[int]], token_score: float) -> None:
        self.root = Node()
        self.nodes = [self.root]
        for phrase in phrases:
            node = self.root
            for token in phrase:
                if token not in node.next:
                    node.next[token] = Node(node.score + token_score)
                    self.nodes.append(node.next[token])
                node = node.next[token]
            node.is_end = True
        self.numbers = {id(node): number for number, node in enumerate(self.nodes)}
        self._link()

    def _link(self) -> None:
        queue = deque([self.root])
        while queue:
            node = queue.popleft()
            for token, child in node.next.items():
                child.fail = self._move(node.fail, token) if node.fail else self.root
                queue.append(child)

    def _move(self, node: Node, token: int) -> Node:
        while token not in node.next and node.fail:
            node = node.fail
        return node.next.get(token, self.root)

    def _step(self, node: Node, token: int) -> tuple[float, Node]:
        """What the token adds; a phrase that is complete keeps its score, and all begins anew."""
        moved = self._move(node, token)
        ending: Node | None = moved
        while ending and not ending.is_end:
            ending = ending.fail
        if ending:
            return ending.score - node.score, self.root
        return moved.score - node.score, moved

    def start(self, num_rows: int) -> Ints:
        return np.zeros((num_rows, 1), np.int64)

    def advance(self, rows: Ints, states: Ints, tokens: Ints) -> tuple[Floats, Ints]:
        pairs = zip(states[:, 0], tokens.tolist(), strict=True)
        steps = [self._step(self.nodes[state], token) for state, token in pairs]
        numbers = [self.numbers[id(node)] for _, node in steps]
        return np.array([score for score, _ in steps]), np.array(numbers, np.int64)[:, None]

    def finish(self, rows: Ints, states: Ints) -> Floats:
        return np.array([-self.nodes[state].score for state in states[:, 0]])


@dataclass(frozen=True)
class Encoded:
    """The utterances behind the encoder that ships, with the networks that follow it."""

    pipeline: Pipeline
    tensors: Mapping[str, NDArray[np.float32]]

    def search(
        self, beam: int, scorer: Scorer | None = None, blank_penalty: float = 0.0
    ) -> list[Hypothesis]:
        spec = self.pipeline.spec
        options = transducer.Options(spec.context_size, spec.blank_id, spec.unk_id)
        found = modified_beam.search(
            self.tensors["ENCODER_OUT"], self.tensors["OUT_LENS"].astype(np.int32),
            *create_networks(self.pipeline.runner), options, beam, scorer, blank_penalty,
        )  # fmt: skip
        return [nbest[0] for nbest in found]

    def symbols(self, found: Sequence[Hypothesis]) -> list[list[str]]:
        return [[self.pipeline.tokens.symbols[each] for each in one.ids] for one in found]


@pytest.fixture(scope="module")
def speech() -> list[Waveform]:
    return [audio.load(WAVS / f"{name}.wav", 16000) for name in read_text(WAVS / "text")]


@pytest.fixture(scope="module")
def encoded(speech: list[Waveform], tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    built = families.load("icefall-transducer").build(Checkpoint(FOLDER, "x"), Options())
    repository = tmp_path_factory.mktemp("repository")
    populate(built, "model", repository, Deployment())
    pipeline = load_pipeline(repository / "model" / "1", Choices())
    (tensors,) = pipeline.runner.run("encoder", [pad(speech)])
    return Encoded(pipeline, tensors)  # type: ignore[arg-type]  # arrays all


@dataclass(frozen=True)
class Heard:
    """What sherpa-onnx says of an utterance; frames: where its tokens start."""

    symbols: list[str]
    frames: list[int]
    log_probs: list[float]


def hear(speech: Sequence[Waveform], **settings: object) -> list[Heard]:
    roles = {role: str(next(FOLDER.glob(f"{role}-*.onnx")))
             for role in ("encoder", "decoder", "joiner")}  # fmt: skip
    recognizer = sherpa_onnx.OfflineRecognizer.from_transducer(
        **roles, tokens=str(FOLDER / "tokens.txt"), num_threads=1,
        decoding_method="modified_beam_search", **settings,
    )  # fmt: skip
    return [_hear(recognizer, waveform) for waveform in speech]


def _hear(recognizer: sherpa_onnx.OfflineRecognizer, waveform: Waveform) -> Heard:
    stream = recognizer.create_stream()
    stream.accept_waveform(16000, waveform)
    recognizer.decode_stream(stream)
    result = stream.result
    return Heard(
        [symbol.replace(" ", "▁") for symbol in result.tokens],
        [round(second / 0.04) for second in result.timestamps],
        list(result.ys_log_probs),
    )


@pytest.mark.parametrize("beam", [1, 4, 8])
@pytest.mark.parametrize("blank_penalty", [0.0, 3.0])
def test_a_beam_finds_the_tokens_of_sherpa_onnx(
    beam: int, blank_penalty: float, speech: list[Waveform], encoded: Encoded
) -> None:
    theirs = hear(speech, max_active_paths=beam, blank_penalty=blank_penalty)
    found = encoded.search(beam, blank_penalty=blank_penalty)
    assert encoded.symbols(found) == [each.symbols for each in theirs]
    assert [one.frames for one in found] == [each.frames for each in theirs]
    for ours, each in zip(found, theirs, strict=True):
        # float32, and features that differ in the last digits
        assert ours.log_probs == pytest.approx(each.log_probs, abs=1e-4)


@pytest.mark.parametrize("score", NUM_CHANGED)
def test_hotwords_work_as_in_sherpa_onnx(
    score: float, speech: list[Waveform], encoded: Encoded, tmp_path: Path
) -> None:
    model = spm.SentencePieceProcessor(model_file=str(FOLDER / "bpe.model"))
    pieces = range(model.get_piece_size())
    vocabulary = [f"{model.id_to_piece(each)}\t{model.get_score(each)}\n" for each in pieces]
    (tmp_path / "bpe.vocab").write_text("".join(vocabulary), encoding="utf-8")
    (tmp_path / "hotwords.txt").write_text("\n".join(HOTWORDS) + "\n", encoding="utf-8")
    theirs = hear(
        speech, max_active_paths=4, hotwords_file=str(tmp_path / "hotwords.txt"),
        hotwords_score=score, modeling_unit="bpe", bpe_vocab=str(tmp_path / "bpe.vocab"),
    )  # fmt: skip
    graph = ContextGraph([model.encode(phrase) for phrase in HOTWORDS], score)
    found = encoded.symbols(encoded.search(4, graph))
    assert found == [each.symbols for each in theirs]
    without = encoded.symbols(encoded.search(4))
    changed = [ours for ours, plain in zip(found, without, strict=True) if ours != plain]
    assert len(changed) == NUM_CHANGED[score]
