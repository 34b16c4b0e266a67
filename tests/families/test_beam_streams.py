"""Modified beam search over windows of streams, token for token as sherpa-onnx has it.

The encoder hears what sherpa-onnx gives it, whose features are kaldi-native-fbank's and whose
processed_lens counts frames of features, not of the encoder: with icefall's count, of 40 utterances
one is heard otherwise, by the greedy search, too.
"""

from collections.abc import Callable
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import onnxruntime
import pytest
import sherpa_onnx
from numpy.typing import NDArray

from auricle import audio
from auricle.audio import Waveform
from auricle.client.manifests import read_text
from auricle.serve.decode import modified_beam
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.transducer import Options

pytestmark = pytest.mark.onnx

ROOT = Path(__file__).parents[2]
FOLDER, WAVS = ROOT / "assets" / "icefall-streaming", ROOT / "client" / "test_wavs"
OPTIONS = Options(2, unk_id=2)
WINDOW, SHIFT = 75, 64  # frames of 10 ms
TAIL = np.zeros(16000, np.float32)
Floats = NDArray[np.float32]


def find(role: str) -> str:
    (path,) = FOLDER.glob(f"{role}-*.onnx")
    return str(path)


@pytest.fixture(scope="module")
def speech() -> list[Waveform]:
    names = read_text(WAVS / "text")
    return [np.concatenate([audio.load(WAVS / f"{name}.wav", 16000), TAIL]) for name in names]


@pytest.fixture(scope="module")
def streams(speech: list[Waveform]) -> list[list[Floats]]:
    """Of each utterance, the encoder's output of every window."""
    encoder = onnxruntime.InferenceSession(find("encoder"))
    return [encode(encoder, compute_features(waveform)) for waveform in speech]


def compute_features(waveform: Waveform) -> Floats:
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = -400
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(16000, waveform.tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(frame) for frame in range(fbank.num_frames_ready)])


def encode(encoder: onnxruntime.InferenceSession, features: Floats) -> list[Floats]:
    states = {
        value.name: np.zeros([size if isinstance(size, int) else 1 for size in value.shape], "f")
        for value in encoder.get_inputs()
        if value.name.startswith("cached")
    }
    windows = []
    for start in range(0, len(features) - WINDOW, SHIFT):
        inputs = {"x": features[None, start : start + WINDOW], "processed_lens": np.array([start])}
        encoder_out, *new = encoder.run(None, inputs | states)
        states = dict(zip(states, new, strict=True))
        windows.append(encoder_out)
    return windows


def load(role: str) -> Callable[..., Floats]:
    session = onnxruntime.InferenceSession(find(role))
    names = [value.name for value in session.get_inputs()]

    def run(*arrays: NDArray[np.generic]) -> Floats:
        output: Floats = session.run(None, dict(zip(names, arrays, strict=True)))[0]
        return output

    return run


def search(streams: list[list[Floats]], blank_penalty: float) -> list[Hypothesis]:
    """All streams side by side, window by window."""
    decoder, joiner = load("decoder"), load("joiner")
    beams = modified_beam.start(len(streams), OPTIONS)
    for number in range(max(map(len, streams))):
        rows = [row for row, windows in enumerate(streams) if number < len(windows)]
        encoder_out = np.concatenate([streams[row][number] for row in rows])
        moved = modified_beam.continue_search(
            encoder_out, [beams[row] for row in rows], decoder, joiner, OPTIONS, 4,
            blank_penalty=blank_penalty,
        )  # fmt: skip
        for row, beam in zip(rows, moved, strict=True):
            beams[row] = beam
    return [nbest[0] for nbest in modified_beam.finish(beams, OPTIONS)]


@pytest.mark.parametrize("blank_penalty", [0.0, 2.0])
def test_streams_have_the_tokens_of_sherpa_onnx(
    blank_penalty: float, speech: list[Waveform], streams: list[list[Floats]]
) -> None:
    symbols = [
        line.rsplit(" ", 1)[0] for line in (FOLDER / "tokens.txt").read_text("utf-8").splitlines()
    ]
    roles = {role: find(role) for role in ("encoder", "decoder", "joiner")}
    recognizer = sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=str(FOLDER / "tokens.txt"), **roles, num_threads=1, max_active_paths=4,
        decoding_method="modified_beam_search", blank_penalty=blank_penalty,
    )  # fmt: skip
    found = search(streams, blank_penalty)
    for hypothesis, waveform in zip(found, speech, strict=True):
        stream = recognizer.create_stream()
        stream.accept_waveform(16000, waveform)
        stream.input_finished()
        while recognizer.is_ready(stream):
            recognizer.decode_stream(stream)
        ours = [symbols[each].replace("▁", " ") for each in hypothesis.ids]
        assert ours == list(recognizer.tokens(stream))
        assert hypothesis.frames == [round(each / 0.04) for each in recognizer.timestamps(stream)]
