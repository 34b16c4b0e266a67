"""Beam search of NeMo's transducers, token for token as sherpa-onnx has it, and what it serves.

The models are those of test_nemo_peers.py, without <unk>, which counts as blank there. One thing
differs: of equal hypotheses sherpa-onnx keeps the likeliest, and ours adds up their probabilities.
In models as unsure as these that changes what is best now and then; so the textbook is held to
sherpa-onnx by its rule, ours to the textbook by the other (test_recurrent_beam.py), and ours to
sherpa-onnx where the rule decides nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import sherpa_onnx

from auricle import audio
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository.aids import Aids
from auricle.build.repository.populate import Deployment, populate
from auricle.client.manifests import read_text
from auricle.serve.backend.local import load_pipeline, load_streaming_pipeline
from auricle.serve.decode import recurrent
from auricle.spec import Choices
from tests.build import tiny_nemo, tiny_nemo_streaming
from tests.build.tiny_nemo import Encoder
from tests.families.test_nemo_peers import (
    BLANK,
    WAVS,
    Said,
    assert_same,
    build,
    say,
    sherpa_says,
    stream,
    write_sherpa_metadata,
)
from tests.serve.decode import recurrent_textbook as textbook

pytestmark = pytest.mark.onnx

LENS = (12, 40, 33, 7, 61, 25)  # output frames
NEVER = -100  # in place of a bias: the token is not said


@dataclass(frozen=True)
class Model:
    """More of blank in its bias makes a model say less a frame, as trained ones do."""

    num_durations: int
    blank: float

    def write(self, folder: Path) -> Path:
        encoder = Encoder(is_ctc=False, is_deaf=True)
        tiny_nemo.write_sherpa_transducer(folder, encoder, self.num_durations)
        joiner = onnx.load(folder / "joiner.onnx")
        (stored,) = (
            each
            for each in joiner.graph.initializer
            if list(each.dims) == [tiny_nemo.VOCAB_SIZE + self.num_durations]
        )
        bias = onnx.numpy_helper.to_array(stored).copy()
        bias[BLANK] += self.blank
        bias[0] = NEVER
        stored.CopyFrom(onnx.numpy_helper.from_array(bias, stored.name))
        onnx.save(joiner, folder / "joiner.onnx")
        write_sherpa_metadata(folder / "encoder.onnx", "tdt" if self.num_durations else "rnnt")
        return folder


RNNT, TDT = Model(0, 4.0), Model(5, 3.0)
MODELS = pytest.mark.parametrize("model", [RNNT, TDT, Model(0, 7.0), Model(5, 0.0)])
PENALTIES = pytest.mark.parametrize("blank_penalty", [0.0, 1.0])


@pytest.fixture(scope="module")
def noises() -> list[Waveform]:
    generator = np.random.default_rng(0)
    return [generator.normal(0, 0.1, 160 * 8 * n).astype(np.float32) for n in LENS]


def ask_sherpa(folder: Path, noises: list[Waveform], beam: int, blank_penalty: float) -> list[Said]:
    graphs = (str(folder / f"{name}.onnx") for name in ("encoder", "decoder", "joiner"))
    peer = sherpa_onnx.OfflineRecognizer.from_transducer(
        *graphs, str(folder / "tokens.txt"), model_type="nemo_transducer",
        decoding_method="modified_beam_search", max_active_paths=beam,
        blank_penalty=blank_penalty,
    )  # fmt: skip
    return sherpa_says(peer, noises)


@MODELS
@PENALTIES
@pytest.mark.parametrize("beam", [1, 4])
def test_a_served_model_has_the_tokens_and_times_of_sherpa_onnx(
    model: Model, blank_penalty: float, beam: int, noises: list[Waveform], tmp_path: Path
) -> None:
    folder = model.write(tmp_path)
    choices = Choices(
        decoding="modified_beam_search", beam=beam, blank_penalty=blank_penalty, max_sub_batch=4
    )
    found = say(load_pipeline(build("nemo-transducer", folder), choices), noises)
    assert_same(found, ask_sherpa(folder, noises, beam, blank_penalty))


@pytest.mark.parametrize("model", [RNNT, TDT, Model(5, 5.0)])
@PENALTIES
def test_the_textbook_has_those_of_sherpa_onnx_by_its_rule(
    model: Model, blank_penalty: float, noises: list[Waveform], tmp_path: Path
) -> None:
    folder = model.write(tmp_path)
    network, state_size = load_predictor(build("nemo-transducer", folder))
    options = recurrent.Options(BLANK, state_size)
    rules = textbook.Rules(options, 8, None, blank_penalty, keeps_best=True)
    found = [textbook.search(frames, network, rules)[0] for frames in encode(folder)]
    expected = ask_sherpa(folder, noises, 8, blank_penalty)
    symbols = tiny_nemo.PIECES
    assert [[symbols[each] for each in hypothesis.ids] for hypothesis in found] == [
        [token for token, _ in said] for said in expected
    ]
    for hypothesis, said in zip(found, expected, strict=True):
        frames = [round(time / 0.08) for _, time in said]
        assert hypothesis.frames == frames


def encode(folder: Path) -> Iterator[recurrent.Floats]:
    """Frames [T, D] of each of the noises, which the encoder does not hear."""
    encoder = onnxruntime.InferenceSession(folder / "encoder.onnx")
    for num_frames in LENS:
        features = np.zeros((1, 80, 8 * num_frames), np.float32)
        inputs = {"audio_signal": features, "length": np.array([8 * num_frames])}
        outputs, _ = encoder.run(None, inputs)
        yield outputs[0].T


def load_predictor(version: Path) -> tuple[recurrent.Network, int]:
    """What was built of decoder and joint network, and the size of its state."""
    session = onnxruntime.InferenceSession(version / "predictor.onnx")
    names = [value.name for value in session.get_outputs()]

    def network(
        encoder_out: recurrent.Floats, y: recurrent.Ints, states: recurrent.Floats
    ) -> recurrent.Scores:
        inputs = {"encoder_out": encoder_out, "y": y, "state": states}
        said = dict(zip(names, session.run(None, inputs), strict=True))
        return recurrent.Scores(
            said["log_probs"], said.get("jumps"), said["new_state"], said.get("jump_log_probs")
        )

    return network, session.get_inputs()[2].shape[1]


@pytest.fixture(scope="module")
def speech() -> list[Waveform]:
    return [audio.load(WAVS / f"{name}.wav", 16000) for name in list(read_text(WAVS / "text"))[:8]]


@pytest.mark.parametrize("num_durations", [0, 5])
def test_a_beam_of_one_streams_what_the_greedy_search_streams(
    num_durations: int, speech: list[Waveform], tmp_path: Path
) -> None:
    folder = tiny_nemo_streaming.write_transducer(tmp_path, num_durations)
    version = build("nemo-transducer", folder)
    greedy = load_streaming_pipeline(version, Choices(max_sub_batch=4))
    beam = Choices(max_sub_batch=4, decoding="modified_beam_search", beam=1)
    found = stream(load_streaming_pipeline(version, beam), speech)
    assert found == stream(greedy, speech)
    assert sum(map(len, found)) > 5 * len(found)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "offline": tiny_nemo.write_tdt,
    "streaming": lambda folder: tiny_nemo_streaming.write_transducer(folder, 5),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_hotword_of_the_deployment_is_heard(
    kind: str, speech: list[Waveform], tmp_path: Path
) -> None:
    folder = WRITERS[kind](tmp_path)
    (tmp_path / "hotwords.txt").write_text("13 :20.0\n", encoding="utf-8")
    built = families.load("nemo-transducer").build(Checkpoint(folder, str(folder)), Options())
    aids = Aids(hotwords=tmp_path / "hotwords.txt")
    populate(built, "model", folder / "repository", Deployment(aids=aids))
    version = folder / "repository" / "model" / "1"
    plain = Choices(decoding="modified_beam_search", beam=8)
    counts = []
    for choices in (
        plain,
        Choices(decoding="modified_beam_search", beam=8, hotwords="hotwords.txt"),
    ):
        if kind == "offline":
            said = say(load_pipeline(version, choices), speech)
            counts.append(sum(token == "▁13" for each in said for token, _ in each))
        else:
            ids = stream(load_streaming_pipeline(version, choices), speech)
            counts.append(sum(each.count(14) for each in ids))
    assert counts[1] > 2 * counts[0]
