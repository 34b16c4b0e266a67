"""NeMo's exporter as a child: a stand-in for NeMo has the same calls, and no weights."""

import sys
from pathlib import Path

import pytest

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import list_files
from auricle.build.families import Options
from auricle.build.upstream import Request
from auricle.build.upstream.files import check_graphs
from auricle.build.upstream.nemo import Nemo
from auricle.errors import CheckpointError, ExportError
from tests.build import tiny_nemo, tiny_nemo_streaming

pytestmark = pytest.mark.onnx

MODELS = """
import pathlib, shutil, types

GRAPHS = pathlib.Path({graphs!r})

class ASRModel:
    @classmethod
    def restore_from(cls, path, map_location):
        assert pathlib.Path(path).name == "parakeet.nemo" and map_location == "cpu"
        return cls()

    def __init__(self):
        self.cur_decoder = "rnnt"
        self.cfg = {{"nemo_version": "1.23.0", "preprocessor": {{"normalize": {normalize!r}}}}}
        self.joint = types.SimpleNamespace(vocabulary={vocabulary!r})
        self.encoder = types.SimpleNamespace(
            layers=[0] * {layers}, d_model={dim}, conv_context_size=[{conv}, 0],
            streaming_cfg=types.SimpleNamespace(
                chunk_size=[25, {chunk}], pre_encode_cache_size=[0, {before}],
                last_channel_cache_size={left},
            ),
            set_default_att_context_size=lambda sizes: print("context", sizes),
        )

    def eval(self):
        pass

    def change_decoding_strategy(self, decoder_type):
        print("branch", decoder_type)

    def set_export_config(self, config):
        print("config", sorted(config.items()))

    def export(self, path):
        for graph in GRAPHS.glob("*.onnx"):
            shutil.copy(graph, pathlib.Path(path).parent)
"""
OMEGACONF = """
import json

class OmegaConf:
    @staticmethod
    def save(config, path):
        open(path, "w").write(json.dumps(config))
"""


@pytest.fixture
def graphs(tmp_path: Path) -> Path:
    (tmp_path / "graphs").mkdir()
    return tmp_path / "graphs"


@pytest.fixture
def request_export(
    graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "tuple[Request, list[str]]":
    """Of a .nemo archive that the stand-in restores; and what it prints."""
    site = tmp_path / "site"
    facts = {
        "graphs": str(graphs), "vocabulary": tiny_nemo.PIECES, "normalize": "NA",
        "layers": tiny_nemo.LAYERS, "dim": tiny_nemo.DIM, "conv": tiny_nemo_streaming.CONV,
        "chunk": tiny_nemo_streaming.CHUNK, "before": tiny_nemo_streaming.BEFORE,
        "left": tiny_nemo_streaming.LEFT,
    }  # fmt: skip
    asr = site / "nemo" / "collections" / "asr"
    asr.mkdir(parents=True)
    (asr / "models.py").write_text(MODELS.format(**facts), encoding="utf-8")
    (site / "omegaconf.py").write_text(OMEGACONF, encoding="utf-8")
    (site / "torch.py").write_text("class onnx:\n    def export(model): pass\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(site))
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "parakeet.nemo").write_bytes(b"tar")
    (tmp_path / "out").mkdir()
    lines: list[str] = []
    checkpoint = Checkpoint(archive, "org/name", "1" * 40)
    return Request(checkpoint, tmp_path / "out", lines.append, python=sys.executable), lines


def test_a_transducer_is_exported_and_built(
    graphs: Path, request_export: tuple[Request, list[str]]
) -> None:
    request, lines = request_export
    tiny_nemo.write_transducer(graphs)
    checkpoint = Nemo("rnnt").export(request)
    assert list_files(checkpoint.folder) == [
        "decoder_joint-model.onnx", "encoder-model.onnx", "model_config.yaml", "vocab.txt",
    ]  # fmt: skip
    assert "branch rnnt" in lines
    built = families.load("nemo-transducer").build(checkpoint, Options())
    assert "reflect beyond the audio" in "\n".join(built.report)  # of NeMo 1.23
    assert built.spec.source.location == "org/name"


def test_a_stream_s_window_is_written_down(
    graphs: Path, request_export: tuple[Request, list[str]]
) -> None:
    request, lines = request_export
    tiny_nemo_streaming.write_ctc(graphs)
    arguments = ("--att-context-size", "70,13")
    asked = Request(request.checkpoint, request.out, request.show, python=request.python,
                    arguments=arguments, streaming=True)  # fmt: skip
    checkpoint = Nemo("ctc").export(asked)
    assert "context [70, 13]" in lines
    assert "config [('cache_support', True), ('decoder_type', 'ctc')]" in lines
    built = families.load("nemo-ctc").build(checkpoint, Options(streaming=True))
    assert built.spec.streaming is not None
    assert built.spec.streaming.hop == 160 * tiny_nemo_streaming.CHUNK


def test_an_archive_alone_is_said_to_need_an_export(
    request_export: tuple[Request, list[str]],
) -> None:
    request, _ = request_export
    with pytest.raises(CheckpointError, match="holds weights, but no graph: add --export"):
        check_graphs(request.checkpoint.folder)


def test_it_needs_an_interpreter(request_export: tuple[Request, list[str]]) -> None:
    request, _ = request_export
    asked = Request(request.checkpoint, request.out, request.show)
    with pytest.raises(ExportError, match=r"nemo_toolkit\[asr\].* --python"):
        Nemo("ctc").export(asked)


def test_a_folder_without_an_archive_is_refused(
    request_export: tuple[Request, list[str]], graphs: Path
) -> None:
    request, _ = request_export
    with pytest.raises(CheckpointError, match=r"no \*\.nemo"):
        Nemo("ctc").export(
            Request(Checkpoint(graphs, "x"), request.out, request.show, python=sys.executable)
        )
