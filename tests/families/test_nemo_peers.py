"""Token for token what other runtimes hear of NeMo's exports: onnx-asr and sherpa-onnx.

Most weights are random; what is compared is features and searches. sherpa-onnx's features are not
NeMo's (its frames lie half a shift later, and pre-emphasis does not look back beyond a frame), so
it gets encoders that say the same whatever they hear.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_asr
import onnxruntime
import pytest
import sherpa_onnx
from numpy.typing import NDArray

from auricle import audio
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.export.nemo.features import nemo_features
from auricle.build.families import Options
from auricle.build.frontend.nemo_mel import NemoMel
from auricle.build.repository.populate import Deployment, populate
from auricle.client.manifests import read_text
from auricle.serve.backend.local import load_pipeline, load_streaming_pipeline
from auricle.serve.pipeline import Pipeline
from auricle.serve.stream import Chunk
from auricle.serve.streaming import StreamingPipeline
from auricle.spec import Choices
from tests.build import tiny_nemo, tiny_nemo_streaming
from tests.build.tiny_nemo import Encoder

pytestmark = pytest.mark.onnx

WAVS = Path(__file__).parents[2] / "client" / "test_wavs"
TRAINED = Path(__file__).parents[2] / "assets" / "nemo-ctc"
MIN_EQUAL = 30  # of 40 utterances, that sherpa-onnx hears alike
CHOICES = Choices(max_sub_batch=4, lookahead=8)
BLANK = tiny_nemo.VOCAB_SIZE - 1
Floats = NDArray[np.float32]
Said = list[tuple[str, float]]  # tokens and their times in seconds
METADATA = {
    "vocab_size": BLANK,
    "subsampling_factor": 8,
    "normalize_type": "per_feature",
    "pred_rnn_layers": tiny_nemo.LAYERS,
    "pred_hidden": tiny_nemo.HIDDEN,
    "model_type": "EncDecHybridRNNTCTCBPEModel",
    "version": 1,
    "model_author": "NeMo",
    "comment": "tiny",
}


@pytest.fixture(scope="module")
def speech() -> list[Waveform]:
    return [audio.load(WAVS / f"{name}.wav", 16000) for name in read_text(WAVS / "text")]


def serve(family: str, folder: Path) -> Pipeline:
    return load_pipeline(build(family, folder), CHOICES)


def build(family: str, folder: Path) -> Path:
    built = families.load(family).build(Checkpoint(folder, str(folder)), Options())
    populate(built, "model", folder / "repository", Deployment())
    return folder / "repository" / "model" / "1"


def say(pipeline: Pipeline, speech: Sequence[Waveform]) -> list[Said]:
    return [
        [(token.text, token.start or 0.0) for token in transcript.tokens]
        for transcript in pipeline.transcribe(speech)
    ]


def assert_same(found: list[Said], expected: list[Said]) -> None:
    assert [[token for token, _ in said] for said in found] == [
        [token for token, _ in said] for said in expected
    ]
    times = [[time for said in each for _, time in said] for each in (found, expected)]
    assert times[0] == pytest.approx(times[1], abs=1e-3)
    assert sum(map(len, found)) > 5 * len(found)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "ctc": tiny_nemo.write_ctc,
    "rnnt": tiny_nemo.write_transducer,
    "tdt": tiny_nemo.write_tdt,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_speech_has_the_tokens_and_times_of_onnx_asr(
    kind: str, speech: list[Waveform], tmp_path: Path
) -> None:
    folder = WRITERS[kind](tmp_path)
    size = 128 if kind == "tdt" else 80
    config = {"model_type": f"nemo-conformer-{kind}", "features_size": size}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    peer = onnx_asr.load_model(f"nemo-conformer-{kind}", folder).with_timestamps()
    expected = []
    for waveform in speech:
        result = peer.recognize(waveform, sample_rate=16000)
        expected.append(texts(result.tokens or [], result.timestamps or []))
    family = "nemo-ctc" if kind == "ctc" else "nemo-transducer"
    assert_same(say(serve(family, folder), speech), expected)


def write_sherpa_metadata(path: Path, kind: str, **changes: int) -> None:
    """sherpa-onnx knows a TDT model by its address."""
    model = onnx.load(path)
    metadata = METADATA | changes | {"url": f"https://example.org/{kind}"}
    onnx.helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
    onnx.save(model, path)


@pytest.fixture(scope="module")
def whole_frames() -> list[Waveform]:
    """Noise of whole output frames, of which sherpa-onnx and NeMo count equally many."""
    generator = np.random.default_rng(0)
    lens = [160 * 8 * n for n in (12, 40, 33, 7, 61)]
    return [generator.normal(0, 0.1, n).astype(np.float32) for n in lens]


def sherpa_says(peer: sherpa_onnx.OfflineRecognizer, speech: Sequence[Waveform]) -> list[Said]:
    streams = [peer.create_stream() for _ in speech]
    for stream, waveform in zip(streams, speech, strict=True):
        stream.accept_waveform(16000, waveform)
        peer.decode_stream(stream)
    results = [stream.result for stream in streams]
    return [texts(each.tokens, each.timestamps) for each in results]


def texts(tokens: Sequence[str], times: Sequence[float]) -> Said:
    """Without <unk>, which is in no text of ours; with sentencepiece's mark for spaces."""
    pairs = zip(tokens, times, strict=True)
    return [(token.replace(" ", "▁"), time) for token, time in pairs if token != "<unk>"]


def test_ctc_has_the_tokens_and_times_of_sherpa_onnx(
    whole_frames: list[Waveform], tmp_path: Path
) -> None:
    folder = tiny_nemo.write_ctc(tmp_path, Encoder(is_deaf=True))
    write_sherpa_metadata(folder / "model.onnx", "ctc")
    tiny_nemo.write_tokens(folder, "tokens.txt")
    peer = sherpa_onnx.OfflineRecognizer.from_nemo_ctc(
        str(folder / "model.onnx"), str(folder / "tokens.txt")
    )
    assert_same(say(serve("nemo-ctc", folder), whole_frames), sherpa_says(peer, whole_frames))


@pytest.mark.parametrize("num_durations", [0, 5])
def test_transducers_have_the_tokens_and_times_of_sherpa_onnx(
    num_durations: int, whole_frames: list[Waveform], tmp_path: Path
) -> None:
    encoder = Encoder(is_ctc=False, is_deaf=True)
    folder = tiny_nemo.write_sherpa_transducer(tmp_path, encoder, num_durations)
    write_sherpa_metadata(folder / "encoder.onnx", "tdt" if num_durations else "rnnt")
    graphs = (str(folder / f"{name}.onnx") for name in ("encoder", "decoder", "joiner"))
    peer = sherpa_onnx.OfflineRecognizer.from_transducer(
        *graphs, str(folder / "tokens.txt"), model_type="nemo_transducer"
    )
    found = say(serve("nemo-transducer", folder), whole_frames)
    assert_same(found, sherpa_says(peer, whole_frames))


def test_a_trained_model_has_the_tokens_of_onnx_asr(speech: list[Waveform], tmp_path: Path) -> None:
    folder = copy_trained(tmp_path)
    config = {"model_type": "nemo-conformer-ctc", "subsampling_factor": 4}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    peer = onnx_asr.load_model("nemo-conformer-ctc", folder).with_timestamps()
    results = [peer.recognize(waveform, sample_rate=16000) for waveform in speech]
    expected = [texts(each.tokens or [], each.timestamps or []) for each in results]
    assert_same(say(serve("nemo-ctc", folder), speech), expected)


def test_a_trained_model_has_nearly_the_tokens_of_sherpa_onnx(
    speech: list[Waveform], tmp_path: Path
) -> None:
    """Nearly, for its features are not NeMo's, and it drops a last frame that is not whole."""
    folder = copy_trained(tmp_path)
    write_sherpa_metadata(folder / "model.onnx", "ctc", subsampling_factor=4, vocab_size=159)
    shutil.copy(folder / "vocab.txt", folder / "tokens.txt")
    peer = sherpa_onnx.OfflineRecognizer.from_nemo_ctc(
        str(folder / "model.onnx"), str(folder / "tokens.txt")
    )
    pairs = zip(say(serve("nemo-ctc", folder), speech), sherpa_says(peer, speech), strict=True)
    words = [[token for token, _ in said] for pair in pairs for said in pair]
    equal = sum(ours == theirs for ours, theirs in zip(words[::2], words[1::2], strict=True))
    assert equal >= MIN_EQUAL


def copy_trained(folder: Path) -> Path:
    for name in ("model.onnx", "vocab.txt"):
        shutil.copy(TRAINED / name, folder / name)
    return folder


def test_one_file_and_three_are_the_same_transducer(speech: list[Waveform], tmp_path: Path) -> None:
    one = serve("nemo-transducer", tiny_nemo.write_transducer(tmp_path / "one"))
    three = serve("nemo-transducer", tiny_nemo.write_sherpa_transducer(tmp_path / "three"))
    assert say(one, speech[:8]) == say(three, speech[:8])


def stream(pipeline: StreamingPipeline, speech: Sequence[Waveform]) -> list[list[int]]:
    """The token ids of each, all of them at once."""
    chunks = [Chunk(waveform, is_last=True) for waveform in speech]
    _, partials = pipeline.step([pipeline.start() for _ in speech], chunks)
    return [[each for segment in partial.segments for each in segment.hypothesis.ids]
            for partial in partials]  # fmt: skip


class Published:
    """A streaming export of NeMo's run as NeMo runs it, one stream at a time.

    https://github.com/NVIDIA-NeMo/NeMo/blob/main/examples/asr/asr_cache_aware_streaming/
    """

    def __init__(self, path: Path) -> None:
        self.encoder = onnxruntime.InferenceSession(path)

    def windows(self, waveform: Waveform) -> Iterator[Floats]:
        """What the graph says of each window; frames before the first are zero."""
        chunk, before = tiny_nemo_streaming.CHUNK, tiny_nemo_streaming.BEFORE
        features = nemo_features(waveform, NemoMel(normalizes=False))
        features = np.pad(features, ((before, 0), (0, 0)))
        layers, left = tiny_nemo.LAYERS, tiny_nemo_streaming.LEFT
        caches = {
            "cache_last_channel": np.zeros((1, layers, left, tiny_nemo.DIM), np.float32),
            "cache_last_time": np.zeros(
                (1, layers, tiny_nemo.DIM, tiny_nemo_streaming.CONV), np.float32
            ),
            "cache_last_channel_len": np.zeros(1, np.int64),
        }
        for start in range(0, len(features) - before - chunk + 1, chunk):
            window = features[start : start + before + chunk].T[None]
            lens = np.array([before + chunk])
            inputs = {"audio_signal": window, "length": lens} | caches
            said, _, *new = self.encoder.run(None, inputs)
            caches = dict(zip(caches, new, strict=True))
            yield said


def padded(waveform: Waveform) -> Waveform:
    """As many samples as the pipeline hears, silence included, and more: none is a token's."""
    return np.pad(waveform, (0, 3 * 160 * tiny_nemo_streaming.CHUNK))


def test_streams_of_ctc_have_the_tokens_of_the_published_graph(
    speech: list[Waveform], tmp_path: Path
) -> None:
    folder = tiny_nemo_streaming.write_ctc(tmp_path)
    pipeline = load_streaming_pipeline(build("nemo-ctc", folder), CHOICES)
    peer = Published(folder / "model.onnx")
    for waveform, found in zip(speech[:20], stream(pipeline, speech[:20]), strict=True):
        best = np.concatenate([said[0].argmax(axis=1) for said in peer.windows(padded(waveform))])
        starts = np.flatnonzero(np.diff(best, prepend=BLANK))
        expected = [int(each) for each in best[starts] if each != BLANK]
        assert len(found) > 5
        assert found == expected[: len(found)]
        heard = len(best) - 4 * 4  # windows of silence that only the reference hears
        assert len(found) >= np.searchsorted(starts, heard) - np.count_nonzero(best == BLANK)


@pytest.mark.parametrize("num_durations", [0, 5])
def test_streams_of_transducers_have_the_tokens_of_the_published_graphs(
    num_durations: int, speech: list[Waveform], tmp_path: Path
) -> None:
    folder = tiny_nemo_streaming.write_transducer(tmp_path, num_durations)
    pipeline = load_streaming_pipeline(build("nemo-transducer", folder), CHOICES)
    peer = Published(folder / "encoder-model.onnx")
    network = onnxruntime.InferenceSession(folder / "decoder_joint-model.onnx")
    for waveform, found in zip(speech[:20], stream(pipeline, speech[:20]), strict=True):
        frames = np.concatenate([said[0].T for said in peer.windows(padded(waveform))])
        expected = search(network, frames, num_durations)
        assert len(found) > 5
        assert found == expected[: len(found)]


def search(network: onnxruntime.InferenceSession, frames: Floats, num_durations: int) -> list[int]:
    """Frame by frame; a state is kept only where a token was."""
    states = [np.zeros((tiny_nemo.LAYERS, 1, tiny_nemo.HIDDEN), np.float32)] * 2
    ids: list[int] = []
    frame = num_symbols = 0
    while frame < len(frames):
        scores, _, *new = network.run(
            None,
            {
                "encoder_outputs": frames[frame][None, :, None],
                "targets": np.array([[ids[-1] if ids else BLANK]], np.int32),
                "target_length": np.ones(1, np.int32),
                "input_states_1": states[0],
                "input_states_2": states[1],
            },
        )
        token = int(scores[0, 0, 0, : BLANK + 1].argmax())
        jump = int(scores[0, 0, 0, BLANK + 1 :].argmax()) if num_durations else 0
        if token != BLANK:
            ids.append(token)
            states = new
            num_symbols += 1
        if jump > 0 or token == BLANK or num_symbols == 10:
            frame, num_symbols = frame + max(jump, 1), 0
    return ids


def test_streams_of_ctc_have_the_tokens_of_sherpa_onnx(tmp_path: Path) -> None:
    """Its windows begin with the first frame, so that the encoder must not hear them."""
    folder = tiny_nemo_streaming.write_ctc(tmp_path, is_deaf=True)
    pipeline = load_streaming_pipeline(build("nemo-ctc", folder), CHOICES)
    peer = sherpa_onnx.OnlineRecognizer.from_nemo_ctc(
        str(folder / "tokens.txt"), str(folder / "model.onnx")
    )
    waveform = np.random.default_rng(0).normal(0, 0.1, 16000 * 6).astype(np.float32)
    asked = peer.create_stream()
    asked.accept_waveform(16000, waveform)
    asked.input_finished()
    while peer.is_ready(asked):
        peer.decode_stream(asked)
    (found,) = stream(pipeline, [waveform])
    expected = [token.replace(" ", "▁") for token in peer.tokens(asked)]
    assert len(expected) > 5
    assert [pipeline.tokens.symbols[each] for each in found][: len(expected)] == expected
