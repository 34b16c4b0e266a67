"""Token for token what other runtimes hear of the same files: funasr-onnx and sherpa-onnx.

sherpa-onnx reads siblings of the published folders: the same weights, with the metadata that it
wants. funasr-onnx reads the folders; its dither, a random one, is switched off.
"""

import functools
from collections.abc import Callable, Sequence
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
from auricle.serve.backend.local import load_pipeline, load_streaming_pipeline
from auricle.serve.options import DecodingOptions
from auricle.serve.pipeline import Pipeline
from auricle.serve.stream import Chunk
from auricle.serve.streaming import StreamingPipeline
from auricle.serve.tokens import Transcript
from auricle.spec import Choices
from training import sherpa

funasr_onnx = pytest.importorskip("funasr_onnx", reason="pip install 'auricle[dev]'")

pytestmark = pytest.mark.onnx

ROOT = Path(__file__).parents[2]
ASSETS, KINDS = ROOT / "assets", ROOT / "tests" / "data" / "paraformer"
SETS = (ROOT / "client" / "test_wavs", ROOT / "client" / "test_wavs_mandarin")
Floats = NDArray[np.float32]
CHOICES = Choices(max_sub_batch=4)
HOTWORDS = "上海 明天 八"
STEP, TAIL = 9600, 19200  # samples of an online Paraformer's step, and of silence behind a stream


@pytest.fixture(scope="module")
def speech() -> list[Waveform]:
    return [audio.load(folder / f"{name}.wav", 16000) for folder in SETS
            for name in read_text(folder / "text")]  # fmt: skip


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Pipeline]:
    @functools.cache
    def build(family: str, folder: Path) -> Pipeline:
        built = families.load(family).build(Checkpoint(folder, str(folder)), Options())
        repository = tmp_path_factory.mktemp("repository")
        populate(built, "model", repository, Deployment())
        return load_pipeline(repository / "model" / "1", CHOICES)

    return build


def symbols(transcripts: Sequence[Transcript]) -> list[list[str]]:
    return [[token.text for token in transcript.tokens] for transcript in transcripts]


class FunAsr:
    """A Paraformer of funasr-onnx, one utterance at a time."""

    def __init__(self, folder: Path, hotwords: str | None = None) -> None:
        kind = funasr_onnx.ContextualParaformer if hotwords is not None else funasr_onnx.Paraformer
        self.model = kind(str(folder), intra_op_num_threads=1)
        self.model.frontend.opts.frame_opts.dither = 0
        self.hotwords = hotwords

    def tokens(self, waveform: Waveform) -> list[str]:
        features = self.model.extract_feat([waveform])
        if self.hotwords is None:
            outputs = self.model.infer(*features)
        else:
            outputs = self.model.bb_infer(*features, self.bias())
        return self.decode(outputs)

    def decode(self, outputs: Sequence[Floats]) -> list[str]:
        """Without the marks that are no text, which funasr-onnx prints."""
        tokens = self.model.decode(outputs[0], outputs[1])[0]
        return [token for token in tokens if token not in ("<s>", "<unk>")]

    def bias(self) -> Floats:
        """Of no hotwords, funasr-onnx would make one of no characters; <s> alone is meant."""
        ids, lens = self.model.proc_hotword(self.hotwords)
        if not self.hotwords:
            ids, lens = ids[1:], lens[1:]
        (vectors,) = self.model.eb_infer(ids, lens)
        by_word = vectors.transpose(1, 0, 2)
        chosen: Floats = by_word[range(len(ids)), lens]
        return chosen[None]


def test_paraformer_hears_the_tokens_of_funasr_onnx(
    speech: list[Waveform], serve: Callable[[str, Path], Pipeline]
) -> None:
    folder = ASSETS / "paraformer"
    peer = FunAsr(folder)
    found = serve("paraformer", folder).transcribe(speech)
    assert symbols(found) == [peer.tokens(waveform) for waveform in speech]


@pytest.mark.parametrize("kind", ["bicif", "contextual", "seaco"])
def test_random_weights_hear_the_tokens_of_funasr_onnx(
    kind: str, speech: list[Waveform], serve: Callable[[str, Path], Pipeline]
) -> None:
    peer = FunAsr(KINDS / kind, None if kind == "bicif" else "")
    found = serve("paraformer", KINDS / kind).transcribe(speech)
    assert symbols(found) == [peer.tokens(waveform) for waveform in speech]


@pytest.mark.parametrize("kind", ["contextual", "seaco"])
def test_hotwords_work_as_in_funasr_onnx(
    kind: str, speech: list[Waveform], serve: Callable[[str, Path], Pipeline]
) -> None:
    peer = FunAsr(KINDS / kind, HOTWORDS)
    pipeline = serve("paraformer", KINDS / kind)
    table = {symbol: number for number, symbol in enumerate(pipeline.tokens.symbols)}
    ids = tuple(tuple(table[character] for character in word) for word in HOTWORDS.split())
    options = DecodingOptions("greedy_search", hotwords=ids)
    found = pipeline.transcribe(speech, [options] * len(speech))
    assert symbols(found) == [peer.tokens(waveform) for waveform in speech]
    assert symbols(found) != symbols(pipeline.transcribe(speech))


@pytest.mark.parametrize("kind", ["bicif", "seaco"])
def test_times_are_those_of_funasr_onnx(
    kind: str, speech: list[Waveform], serve: Callable[[str, Path], Pipeline]
) -> None:
    from funasr_onnx.utils.timestamp_utils import time_stamp_lfr6_onnx

    peer = FunAsr(KINDS / kind, None if kind == "bicif" else "")
    pipeline = serve("paraformer", KINDS / kind)
    for waveform in speech[:12]:
        (found,) = pipeline.transcribe([waveform])
        features = peer.model.extract_feat([waveform])
        asked = features if kind == "bicif" else (*features, peer.bias())
        run = peer.model.infer if kind == "bicif" else peer.model.bb_infer
        outputs = run(*asked)
        tokens = list(peer.model.decode(outputs[0], outputs[1])[0])
        _, milliseconds = time_stamp_lfr6_onnx(outputs[3][0], list(tokens))
        pairs = zip(tokens, milliseconds, strict=True)
        starts = [start / 1000 for token, (start, _) in pairs if token not in ("<s>", "<unk>")]
        assert [token.start for token in found.tokens] == pytest.approx(starts, abs=0.0011)


@pytest.mark.parametrize("language", ["auto", "en", "zh"])
@pytest.mark.parametrize("text_norm", ["woitn", "withitn"])
def test_sense_voice_hears_the_text_of_funasr_onnx(
    language: str, text_norm: str, speech: list[Waveform], serve: Callable[[str, Path], Pipeline]
) -> None:
    folder = ASSETS / "sense-voice"
    peer = funasr_onnx.SenseVoiceSmall(str(folder), intra_op_num_threads=1)
    peer.frontend.opts.frame_opts.dither = 0
    pipeline = serve("sense-voice", folder)
    assert pipeline.spec.prompt is not None
    options = DecodingOptions(
        "greedy_search",
        pipeline.spec.prompt.languages[language],
        pipeline.spec.prompt.text_norms[text_norm],
    )
    some = speech if (language, text_norm) == ("auto", "woitn") else speech[::5]
    found = pipeline.transcribe(some, [options] * len(some))
    for waveform, transcript in zip(some, found, strict=True):
        (text,) = peer(waveform, language=language, textnorm=text_norm)
        assert transcript.text == text.rpartition("|>")[2].strip()
        assert transcript.language in ("en", "zh", "nospeech")
        assert f"<|{transcript.language}|>" in text


class OnlineFunAsr:
    """An online Paraformer of funasr-onnx, which hears silence behind a stream, as ours does."""

    def __init__(self, folder: Path) -> None:
        from funasr_onnx.paraformer_online_bin import Paraformer

        self.model = Paraformer(str(folder), intra_op_num_threads=1)
        self.model.frontend.opts.frame_opts.dither = 0
        self.heard: list[str] = []
        decode = self.model.decode_one

        def decode_one(scores: Floats, num_tokens: int) -> list[str]:
            tokens: list[str] = decode(scores, num_tokens)
            self.heard += tokens
            return tokens

        self.model.decode_one = decode_one

    def tokens(self, waveform: Waveform) -> list[str]:
        self.heard, cache = [], {}  # type: ignore[var-annotated]  # the peer fills it
        stream = np.concatenate([waveform, np.zeros(TAIL, np.float32)])
        for start in range(0, len(stream), STEP):
            is_final = start + STEP >= len(stream)
            self.model(stream[start : start + STEP],
                       param_dict={"cache": cache, "is_final": is_final})  # fmt: skip
        return self.heard


def stream_tokens(pipeline: StreamingPipeline, speech: Sequence[Waveform]) -> list[list[str]]:
    """Of each stream, all of them at once."""
    streams = [pipeline.start() for _ in speech]
    chunks = [Chunk(waveform, is_last=True) for waveform in speech]
    _, partials = pipeline.step(streams, chunks)
    return [
        [pipeline.tokens.symbols[each] for segment in partial.segments
         for each in segment.hypothesis.ids]
        for partial in partials
    ]  # fmt: skip


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> StreamingPipeline:
    folder = ASSETS / "paraformer-online"
    built = families.load("paraformer").build(Checkpoint(folder, "x"), Options())
    repository = tmp_path_factory.mktemp("repository")
    populate(built, "live", repository, Deployment())
    return load_streaming_pipeline(repository / "live" / "1", CHOICES)


def test_online_paraformer_hears_the_tokens_of_funasr_onnx(
    speech: list[Waveform], online: StreamingPipeline
) -> None:
    peer = OnlineFunAsr(ASSETS / "paraformer-online")
    assert stream_tokens(online, speech) == [peer.tokens(waveform) for waveform in speech]


def test_online_paraformer_hears_nearly_the_tokens_of_sherpa_onnx(
    speech: list[Waveform], online: StreamingPipeline, tmp_path: Path
) -> None:
    """Its features are icefall's and not stacked as FunASR's; two frames of a window count twice.

    docs/decisions/0012-online-paraformer.md
    """
    sherpa.online_paraformer(ASSETS / "paraformer-online", tmp_path)
    peer = sherpa_onnx.OnlineRecognizer.from_paraformer(
        tokens=str(tmp_path / "tokens.txt"),
        encoder=str(tmp_path / "encoder.onnx"),
        decoder=str(tmp_path / "decoder.onnx"),
        num_threads=1,
    )
    theirs = []
    for waveform in speech:
        stream = peer.create_stream()
        stream.accept_waveform(16000, np.concatenate([waveform, np.zeros(TAIL, np.float32)]))
        stream.input_finished()
        while peer.is_ready(stream):
            peer.decode_stream(stream)
        theirs.append(list(peer.tokens(stream)))
    pairs = zip(map(bare, stream_tokens(online, speech)), map(bare, theirs), strict=True)
    equal = [others in (ours, ours[:-1]) for ours, others in pairs]  # the last is never completed
    assert sum(equal) >= 60  # of 70; 63 with the weights that ship


def sherpa_tokens(
    recognizer: sherpa_onnx.OfflineRecognizer, speech: Sequence[Waveform]
) -> list[list[str]]:
    streams = [recognizer.create_stream() for _ in speech]
    for stream, waveform in zip(streams, speech, strict=True):
        stream.accept_waveform(16000, waveform)
        recognizer.decode_stream(stream)
    return [list(stream.result.tokens) for stream in streams]


def bare(tokens: Sequence[str]) -> list[str]:
    """Without the marks of words' edges, which sherpa-onnx shows otherwise or not at all."""
    kept = (token.replace("▁", "").replace("@@", "").strip() for token in tokens)
    return [token for token in kept if token]


def test_sense_voice_hears_the_tokens_of_sherpa_onnx(
    speech: list[Waveform], serve: Callable[[str, Path], Pipeline], tmp_path: Path
) -> None:
    sherpa.sense_voice(ASSETS / "sense-voice", tmp_path)
    peer = sherpa_onnx.OfflineRecognizer.from_sense_voice(
        str(tmp_path / "model.onnx"), str(tmp_path / "tokens.txt"), num_threads=1
    )
    found = symbols(serve("sense-voice", ASSETS / "sense-voice").transcribe(speech))
    assert list(map(bare, found)) == list(map(bare, sherpa_tokens(peer, speech)))


def test_paraformer_hears_the_tokens_of_sherpa_onnx(
    speech: list[Waveform], serve: Callable[[str, Path], Pipeline], tmp_path: Path
) -> None:
    sherpa.paraformer(ASSETS / "paraformer", tmp_path)
    peer = sherpa_onnx.OfflineRecognizer.from_paraformer(
        str(tmp_path / "model.onnx"), str(tmp_path / "tokens.txt"), num_threads=1
    )
    found = symbols(serve("paraformer", ASSETS / "paraformer").transcribe(speech))
    for ours, theirs in zip(map(bare, found), map(bare, sherpa_tokens(peer, speech)), strict=True):
        # sherpa-onnx knows no predictor_bias: a last token that should be </s> stays.
        assert theirs[: len(ours)] == ours
        assert len(theirs) - len(ours) in (0, 1)


def test_wenet_hears_nearly_the_tokens_of_sherpa_onnx(
    speech: list[Waveform], serve: Callable[[str, Path], Pipeline], tmp_path: Path
) -> None:
    """Not all of them: sherpa-onnx computes icefall's features for WeNet's models, too."""
    sherpa.wenet(ASSETS / "wenet-u2", tmp_path)
    peer = sherpa_onnx.OfflineRecognizer.from_wenet_ctc(
        str(tmp_path / "model.onnx"), str(tmp_path / "tokens.txt"), num_threads=1
    )
    english = speech[:40]
    options = [DecodingOptions("greedy_search")] * len(english)
    found = symbols(serve("wenet-u2", ASSETS / "wenet-u2").transcribe(english, options))
    pairs = zip(map(bare, found), map(bare, sherpa_tokens(peer, english)), strict=True)
    assert sum(ours == theirs for ours, theirs in pairs) >= 36
