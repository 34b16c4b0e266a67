"""What is read of Whisper's published files, in the forms that its exporters have had."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.export.whisper.hoist import hoist
from auricle.build.families import Built, Options
from auricle.errors import CheckpointError
from tests.build import tiny_whisper

pytest.importorskip("transformers", reason="pip install 'auricle[dev]'")

pytestmark = pytest.mark.onnx


def build(folder: Path, precision: str = "fp32") -> Built:
    options = Options(precision="int8" if precision == "int8" else "fp32")
    return families.load("whisper").build(Checkpoint(folder, "x"), options)


def edit(path: Path, **changes: object) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, **changes}))


@pytest.fixture
def optimum(tmp_path: Path) -> Path:
    return tiny_whisper.write_optimum(tmp_path / "optimum")


@pytest.fixture
def sherpa(tmp_path: Path) -> Path:
    return tiny_whisper.write_sherpa(tmp_path / "sherpa")


def test_what_only_the_audio_decides_is_hoisted() -> None:
    nodes = [
        helper.make_node("Transpose", ["keys"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("Mul", ["turned", "scale"], ["scaled"]),
        helper.make_node("Shape", ["scaled"], ["shape"]),
        helper.make_node("MatMul", ["query", "scaled"], ["scores"]),
        helper.make_node("Reshape", ["scores", "shape"], ["out"]),
    ]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.5])
    found = hoist(helper.make_graph(nodes, "step", [], [], [scale]), ["keys"])
    assert [node.output[0] for node in found.nodes] == ["turned", "scaled", "shape"]
    assert found.results == ["scaled"], "sizes are computed where they are read"


@pytest.mark.parametrize("write", [tiny_whisper.write_optimum, tiny_whisper.write_merged,
                                   tiny_whisper.write_sherpa])  # fmt: skip
def test_keys_are_turned_and_scaled_once_an_utterance(write: object, tmp_path: Path) -> None:
    folder = write(tmp_path / "checkpoint")  # type: ignore[operator]
    graphs = build(folder).graphs
    crossed = [value.name for value in graphs["cross_attention"].graph.output]
    assert sum(name.startswith("CROSS_") for name in crossed) == 4  # of two layers
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]]
              for value in graphs["decoder"].graph.input}  # fmt: skip
    assert shapes["CROSS_0"] == [2, 32, 250]  # heads, their size, frames: as a product takes them
    assert shapes["CROSS_1"] == [2, 250, 32]


def test_the_decoder_has_no_weights_twice(optimum: Path) -> None:
    """The keys of a layer need no layer before it, so cross_attention has only their weights."""
    graph = build(optimum).graphs["cross_attention"].graph
    weights = [each for each in graph.initializer if len(each.dims) == 2]
    assert len(weights) == 4  # keys and values of two layers


def test_int8_is_made_of_all_three(optimum: Path) -> None:
    graphs = build(optimum, "int8").graphs
    for graph in graphs.values():
        assert any(node.op_type == "DynamicQuantizeLinear" for node in graph.graph.node)


def test_a_forced_language_is_the_default(optimum: Path) -> None:
    path = optimum / "generation_config.json"
    ids = json.loads(path.read_text())
    german, translate = ids["lang_to_id"]["<|de|>"], ids["task_to_id"]["translate"]
    edit(path, forced_decoder_ids=[[1, german], [2, translate]])
    facts = build(optimum).spec.autoregressive
    assert facts is not None
    assert (facts.default_language, facts.default_task) == ("de", "translate")
    edit(path, forced_decoder_ids=[[1, None], [2, translate]])
    facts = build(optimum).spec.autoregressive
    assert facts is not None
    assert facts.default_language is None


def test_a_vocabulary_of_text_alone_is_enough(optimum: Path) -> None:
    whole = build(optimum).tokens
    record = json.loads((optimum / "tokenizer.json").read_text())
    (optimum / "tokenizer.json").unlink()
    (optimum / "vocab.json").write_text(json.dumps(record["model"]["vocab"]))
    named = [line for line in whole.splitlines() if "startoflm" not in line]
    assert set(named) <= set(build(optimum).tokens.splitlines())


def test_features_of_any_length_are_counted_by_what_is_beside(optimum: Path, sherpa: Path) -> None:
    """As sherpa-onnx exports encoders that take less than 30 s, and older versions of optimum."""
    for folder in (optimum, sherpa):
        (path,) = folder.glob("*encoder*.onnx")
        model = onnx.load(path)
        for axis, name in ((1, "bins"), (2, "T")):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
        onnx.save(model, path)
        facts = build(folder).spec.autoregressive
        assert facts is not None
        assert facts.window_seconds == 5


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("generation_config.json", {"no_timestamps_token_id": None}, "no_timestamps_token_id None"),
        ("generation_config.json", {"task_to_id": None}, "no task_to_id with both tasks"),
        ("config.json", {"max_target_positions": "many"}, "max_target_positions 'many'"),
    ],
)
def test_settings_that_say_too_little_are_refused(
    name: str, changes: dict[str, object], sentence: str, optimum: Path
) -> None:
    edit(optimum / name, **changes)
    with pytest.raises(CheckpointError, match=sentence):
        build(optimum)


def test_graphs_that_do_not_belong_together_are_refused(optimum: Path, tmp_path: Path) -> None:
    plain = optimum / "decoder_with_past_model.onnx"
    plain.write_bytes((optimum / "decoder_model.onnx").read_bytes())
    with pytest.raises(CheckpointError, match="are no decoder of Whisper as optimum exports it"):
        build(optimum)
    merged = tiny_whisper.write_merged(tmp_path / "merged")
    path = merged / "decoder_model_merged.onnx"
    path.write_bytes((merged / "encoder_model.onnx").read_bytes())
    with pytest.raises(CheckpointError, match="is no decoder of Whisper that is known here"):
        build(merged)


def test_a_graph_of_sherpa_onnx_without_metadata_is_refused(sherpa: Path) -> None:
    (path,) = sherpa.glob("*encoder.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match=r"has metadata sot=None, expected ids; export it"):
        build(sherpa)
