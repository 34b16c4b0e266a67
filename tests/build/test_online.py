"""The online Paraformer's one graph against its two, and what its files may look like."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.yaml_files import read_yaml
from auricle.build.export.graph import load_graph
from auricle.build.export.online.adapt import adapt_online
from auricle.build.export.online.encoder import build_online_encoder, measure_layout
from auricle.build.export.online.published import NEW, Published
from auricle.build.export.reference import Waveform, load_waveforms
from auricle.build.export.session import Array, Session
from auricle.build.families import Options
from auricle.build.families._funasr import read_frontend
from auricle.errors import CheckpointError, ParityError
from training import sherpa

pytestmark = pytest.mark.onnx

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "assets" / "paraformer-online"
SPEECH = load_waveforms(None, 16000)
STATE_SIZE = 1 + 1 + 144 + 10 * 560 + 2 * 144 * 10


@pytest.fixture(scope="module")
def published() -> Published:
    encoder, decoder = (load_graph(FOLDER / name) for name in ("model.onnx", "decoder.onnx"))
    frontend = read_frontend(read_yaml(FOLDER / "config.yaml"), FOLDER / "am.mvn", 560)
    return Published(encoder, decoder, frontend, tail_threshold=0.45)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(FOLDER, tmp_path / "checkpoint"))


def session(published: Published) -> Session:
    return Session(adapt_online(published, measure_layout(published)))


def run(served: Session, waveform: Waveform, num_windows: int) -> list[dict[str, Array]]:
    """A stream's windows, one after the other; the audio is repeated."""
    stream = np.resize(waveform, 10000 + num_windows * 9600)
    state: Array = np.zeros((1, STATE_SIZE), np.float32)
    outputs = []
    for number in range(num_windows):
        chunk = stream[number * 9600 :][:10000]
        outputs.append(served.run({"CHUNK": chunk[None], "STATE": state}))
        state = outputs[-1]["NEW_STATE"]
    return outputs


def test_the_graph_says_what_funasrs_loop_over_two_graphs_says(published: Published) -> None:
    served = build_online_encoder(published, SPEECH)
    assert "largest difference" in served.report[1]
    assert served.layout == measure_layout(published)
    assert served.seconds_per_frame == 0.06


def test_a_graph_that_strays_is_refused(published: Published) -> None:
    """Positions that begin anew within the audio are not those of the original."""
    with pytest.raises(ParityError, match="nothing was written"):
        build_online_encoder(dataclasses.replace(published, positions=60), SPEECH)


def test_no_position_lies_beyond_the_last(published: Published) -> None:
    positions = 60
    served = session(dataclasses.replace(published, positions=positions))
    counts = [int(each["NEW_STATE"][0, 0]) for each in run(served, SPEECH[0], 12)]
    assert counts == [10, 20, 30, 40, 50, 10, 20, 30, 40, 50, 10, 20]
    assert max(counts) + NEW <= positions


def test_a_row_without_tokens_keeps_its_caches_beside_one_that_speaks(
    published: Published,
) -> None:
    served = session(published)
    said = run(served, SPEECH[0], 4)
    state = said[2]["NEW_STATE"]
    chunk: Waveform = np.resize(SPEECH[0], 60000)[3 * 9600 :][:10000]
    silence: Waveform = np.zeros_like(chunk)
    alone = served.run({"CHUNK": silence[None], "STATE": state})
    chunks: Array = np.array([silence, chunk], np.float32)
    states: Array = np.array([state[0], state[0]], np.float32)
    both = served.run({"CHUNK": chunks, "STATE": states})
    assert both["NUM_TOKENS"][1] > alone["NUM_TOKENS"][0]
    for name, values in alone.items():
        np.testing.assert_allclose(both[name][0], values[0], atol=1e-5, err_msg=name)


def test_what_is_open_is_carried_until_a_window_completes_it(published: Published) -> None:
    outputs = run(session(published), SPEECH[0], 5)
    weights = [float(each["NEW_STATE"][0, 1]) for each in outputs]
    assert all(0 <= weight < 1 for weight in weights)
    assert [each["HAS_TAIL"][0] for each in outputs] == [weight >= 0.55 for weight in weights]


def test_caches_that_an_older_export_does_not_cut_are_cut(
    published: Published, tmp_path: Path
) -> None:
    model = onnx.load(FOLDER / "decoder.onnx")
    made = {name: node for node in model.graph.node for name in node.output}
    for output in model.graph.output[2:]:
        joined = made[output.name].input[0]
        model.graph.node.remove(made[output.name])
        model.graph.node.append(onnx.helper.make_node("Identity", [joined], [output.name]))
    onnx.save(model, tmp_path / "decoder.onnx")
    older = dataclasses.replace(published, decoder=load_graph(tmp_path / "decoder.onnx"))
    found, expected = (run(session(each), SPEECH[0], 4)[-1] for each in (older, published))
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    build_online_encoder(older, SPEECH)


def test_the_files_that_sherpa_onnx_takes_give_the_same_graph(tmp_path: Path) -> None:
    sherpa.online_paraformer(FOLDER, tmp_path)
    family = families.load("paraformer")
    ours, theirs = (family.build(Checkpoint(each, "x"), Options()) for each in (FOLDER, tmp_path))
    assert theirs.tokens == ours.tokens
    state: Array = np.zeros((1, STATE_SIZE), np.float32)
    window: dict[str, Array] = {"CHUNK": SPEECH[0][None, :10000], "STATE": state}
    found, expected = (Session(each.graphs["encoder"]).run(window) for each in (theirs, ours))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4, err_msg=name)


def test_a_checkpoint_that_says_nothing_of_its_features_is_refused(folder: Path) -> None:
    (folder / "am.mvn").unlink()
    (folder / "config.yaml").unlink()
    with pytest.raises(CheckpointError, match=r"no am\.mvn, and model\.onnx no neg_mean"):
        families.load("paraformer").build(Checkpoint(folder, "x"), Options())


def test_a_decoder_of_another_size_is_refused(folder: Path, published: Published) -> None:
    other = dataclasses.replace(published.decoder.inputs[0], shape=("B", "T", 512))
    decoder = dataclasses.replace(published.decoder, inputs=(other, *published.decoder.inputs[1:]))
    with pytest.raises(CheckpointError, match=r"144 values, but decoder\.onnx takes 512"):
        build_online_encoder(dataclasses.replace(published, decoder=decoder), SPEECH)


def test_tokens_of_another_checkpoint_are_refused(folder: Path) -> None:
    symbols = json.loads((folder / "tokens.json").read_text())
    (folder / "tokens.json").write_text(json.dumps(symbols[:-5]))
    with pytest.raises(CheckpointError, match="171 tokens, but the network has 176"):
        families.load("paraformer").build(Checkpoint(folder, "x"), Options())


@pytest.mark.parametrize("value", ["no", 1.5, True])
def test_a_tail_that_is_no_weight_is_refused(folder: Path, value: object) -> None:
    settings = (folder / "config.yaml").read_text()
    assert "tail_threshold: 0.45" in settings
    changed = settings.replace("tail_threshold: 0.45", f"tail_threshold: {json.dumps(value)}")
    (folder / "config.yaml").write_text(changed)
    with pytest.raises(CheckpointError, match="tail_threshold"):
        families.load("paraformer").build(Checkpoint(folder, "x"), Options())


def test_int8_is_made_of_both_graphs(published: Published) -> None:
    built = families.load("paraformer").build(Checkpoint(FOLDER, "x"), Options(precision="int8"))
    operators = {node.op_type for node in built.graphs["encoder"].graph.node}
    assert "MatMulInteger" in operators
    assert any("(int8" in line for line in built.report[0].splitlines())
