"""Checkpoints that the usual converters have reduced: float16 inside or outside, int8 weights."""

import dataclasses
import shutil
from pathlib import Path

import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.export.graph import port_of
from auricle.build.families import Built, Options
from tests.build import tiny
from tests.families.checkpoints import WRITERS

pytestmark = pytest.mark.onnx

SENSE_VOICE = Path(__file__).parents[2] / "assets" / "sense-voice"
CONFORMER = tiny.Encoder(mask_by_lens=True, padding_branch=True)


def halve(folder: Path, *, keep_io_types: bool) -> None:
    """Beside each graph, one in float16, with the nodes in whatever order the converter leaves."""
    for path in list(folder.glob("*.onnx")):
        model = convert_float_to_float16(onnx.load(path), keep_io_types=keep_io_types)
        onnx.save(model, path.with_suffix(".fp16.onnx"))


def quantize(folder: Path) -> None:
    for path in list(folder.glob("*.onnx")):
        reduced = path.with_suffix(".int8.onnx")
        quantize_dynamic(
            path, reduced, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8
        )


def build(family: str, folder: Path, options: Options) -> Built:
    return families.load(family).build(Checkpoint(folder, str(folder)), options)


def taken(built: Built) -> list[str]:
    return sorted(name for name in built.spec.source.sha256 if name.endswith(".onnx"))


@pytest.mark.parametrize("keep_io_types", [True, False])
def test_a_float16_transducer_builds(keep_io_types: bool, tmp_path: Path) -> None:
    folder = tiny.write_transducer(tmp_path, CONFORMER)
    halve(folder, keep_io_types=keep_io_types)
    built = build("icefall-transducer", folder, Options(precision="fp16"))
    assert all(name.endswith(".fp16.onnx") for name in taken(built))
    for model in built.graphs.values():
        onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("keep_io_types", [True, False])
def test_a_float16_ctc_model_builds(keep_io_types: bool, tmp_path: Path) -> None:
    folder = tiny.write_ctc(tmp_path, dataclasses.replace(CONFORMER, is_ctc=True))
    halve(folder, keep_io_types=keep_io_types)
    built = build("icefall-ctc", folder, Options(precision="fp16"))
    assert taken(built) == ["model.fp16.onnx"]


def test_an_int8_transducer_builds(tmp_path: Path) -> None:
    folder = tiny.write_transducer(tmp_path, CONFORMER)
    quantize(folder)
    built = build("icefall-transducer", folder, Options(precision="int8"))
    assert all(name.endswith(".int8.onnx") for name in taken(built))


def test_an_int8_ctc_model_builds(tmp_path: Path) -> None:
    folder = tiny.write_ctc(tmp_path, dataclasses.replace(CONFORMER, is_ctc=True))
    quantize(folder)
    assert taken(build("icefall-ctc", folder, Options(precision="int8"))) == ["model.int8.onnx"]


def test_plain_graphs_are_taken_unless_others_are_asked_for(tmp_path: Path) -> None:
    folder = tiny.write_transducer(tmp_path)
    quantize(folder)
    built = build("icefall-transducer", folder, Options())
    assert not [name for name in taken(built) if "int8" in name]


def copy_wenet(folder: Path) -> Path:
    return WRITERS["wenet_u2"](folder / "wenet")


@pytest.mark.parametrize("keep_io_types", [True, False])
def test_a_float16_wenet_model_builds(keep_io_types: bool, tmp_path: Path) -> None:
    """Named as WeNet names them, encoder_fp16.onnx; its own have float16 outside, too."""
    folder = copy_wenet(tmp_path)
    for path in list(folder.glob("*.onnx")):
        model = convert_float_to_float16(onnx.load(path), keep_io_types=keep_io_types)
        onnx.save(model, path.with_name(f"{path.stem}_fp16.onnx"))
    built = build("wenet-u2", folder, Options(precision="fp16"))
    assert taken(built) == ["decoder_fp16.onnx", "encoder_fp16.onnx"]
    assert {port_of(value).dtype_name for model in built.graphs.values()
            for value in model.graph.output} <= {"FLOAT", "INT32"}  # fmt: skip


def test_funasr_s_own_int8_is_taken(tmp_path: Path) -> None:
    folder = WRITERS["sense_voice"](tmp_path / "sense-voice")
    shutil.copy(SENSE_VOICE / "model_quant.onnx", folder)
    assert "model.onnx" in taken(build("sense-voice", folder, Options()))
    built = build("sense-voice", folder, Options(precision="int8"))
    assert taken(built) == ["model_quant.onnx"]


@pytest.mark.parametrize("form", ["wenet_u2", "sense_voice", "paraformer-bicif"])
def test_int8_is_made_where_the_checkpoint_has_none(form: str, tmp_path: Path) -> None:
    folder = WRITERS[form](tmp_path / "checkpoint")
    family = form.partition("-")[0]
    plain = build(family, folder, Options())
    reduced = build(family, folder, Options(precision="int8"))
    assert taken(reduced) == taken(plain)
    sizes = [built.graphs["encoder"].ByteSize() for built in (plain, reduced)]
    assert sizes[1] < 0.9 * sizes[0]  # those with random weights are more nodes than weights


def test_a_checkpoint_s_own_float16_goes_first(tmp_path: Path) -> None:
    folder = tiny.write_ctc(tmp_path, dataclasses.replace(CONFORMER, is_ctc=True))
    assert taken(build("icefall-ctc", folder, Options(precision="fp16"))) == ["model.onnx"]
    halve(folder, keep_io_types=True)
    assert taken(build("icefall-ctc", folder, Options(precision="fp16"))) == ["model.fp16.onnx"]
