"""What each family fetches of what is published for it, and that the scripts build that."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from auricle import spec
from auricle.build import families
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.families import Options
from tests.build import tiny, tiny_nemo, tiny_wav2vec2, tiny_whisper
from tests.build.hub_server import Hub, environment, serve

ROOT = Path(__file__).parents[2]
FUNASR = {
    "am.mvn": True, "config.yaml": True, "configuration.json": True, "model.pt": True,
    "README.md": False, ".gitattributes": False, "example/zh.mp3": False, "fig/res.png": False,
}  # fmt: skip
BPE = "chn_jpn_yue_eng_ko_spectok.bpe.model"
WHISPER = ("encoder_model", "decoder_model", "decoder_model_merged", "decoder_with_past_model")
MARKS = ("_bnb4", "_fp16", "_int8", "_q4", "_q4f16", "_quantized", "_uint8")
# Whether a file is wanted, of the files that the repositories have.
GRAPHS = {
    "icefall-transducer": {
        "encoder-epoch-99-avg-1.onnx": True, "decoder-epoch-99-avg-1.onnx": True,
        "joiner-epoch-99-avg-1.onnx": True, "tokens.txt": True, "bpe.model": False,
        "encoder-epoch-99-avg-1.int8.onnx": False, "decoder-epoch-99-avg-1.int8.onnx": False,
        "joiner-epoch-99-avg-1.int8.onnx": False, "test_wavs/0.wav": False, "README.md": False,
    },
    "icefall-ctc": {
        "model.onnx": True, "model.int8.onnx": False, "tokens.txt": True, "bpe.model": False,
        "test_wavs/0.wav": False, "README.md": False,
    },
    "nemo-ctc": {"model.onnx": True, "tokens.txt": True, "test_wavs/0.wav": False},
    "nemo-transducer": {
        "encoder.onnx": True, "decoder.onnx": True, "joiner.onnx": True, "tokens.txt": True,
        "test_wavs/0.wav": False,
    },
    "sense-voice": {
        "encoder/1/model.onnx": True, "encoder/config.pbtxt": False,
        "feature_extractor/1/model.py": False, "feature_extractor/am.mvn": True,
        "feature_extractor/config.pbtxt": False, "feature_extractor/config.yaml": True,
        "scoring/1/model.py": False, f"scoring/{BPE}": True, "scoring/config.pbtxt": False,
        "sensevoice/config.pbtxt": False, "export_onnx.py": False,
    },
    "wav2vec2-ctc": {
        "onnx/model.onnx": True, "onnx/model_fp16.onnx": False, "onnx/model_quantized.onnx": False,
        "preprocessor_config.json": True, "tokenizer_config.json": True, "vocab.json": True,
        "config.json": False, "special_tokens_map.json": False, "tokenizer.json": False,
        "README.md": False,
    },
    "whisper": {
        "onnx/encoder_model.onnx": True, "onnx/decoder_model_merged.onnx": True,
        **{f"onnx/{stem}{mark}.onnx": False for mark in MARKS for stem in WHISPER},
        "onnx/decoder_model.onnx": False, "onnx/decoder_with_past_model.onnx": False,
        "tokenizer.json": True, "config.json": True, "generation_config.json": True,
        "merges.txt": False, "preprocessor_config.json": False, "quant_config.json": False,
        "quantize_config.json": False, "tokenizer_config.json": False, "vocab.json": False,
    },
}  # fmt: skip
EXPORTED_BY_FUNASR = {
    "paraformer": {**FUNASR, "tokens.json": True, "seg_dict": True},
    "sense-voice": {**FUNASR, BPE: True},
}
WEIGHTS = {
    **EXPORTED_BY_FUNASR,
    "whisper": {
        "model.safetensors": True, "pytorch_model.bin": False, "flax_model.msgpack": False,
        "tf_model.h5": False, "config.json": True, "generation_config.json": True,
        "preprocessor_config.json": True, "tokenizer.json": True, "tokenizer_config.json": True,
        "vocab.json": True, "merges.txt": True, "added_tokens.json": True,
        "special_tokens_map.json": True, "normalizer.json": True, "README.md": False,
    },
}  # fmt: skip


def write_nemo_ctc(folder: Path) -> Path:
    tiny_nemo.write_ctc(folder)
    return tiny_nemo.write_tokens(folder, "tokens.txt")


# A checkpoint of few channels in the place of each.
WRITERS: dict[str, Callable[[Path], Path]] = {
    "icefall-ctc": tiny.write_ctc,
    "icefall-transducer": tiny.write_transducer,
    "nemo-ctc": write_nemo_ctc,
    "nemo-transducer": tiny_nemo.write_sherpa_transducer,
    "wav2vec2-ctc": lambda folder: tiny_wav2vec2.write(folder, tiny_wav2vec2.Kind("group")),
    "whisper": tiny_whisper.write_merged,
}


def wanted(layout: dict[str, bool]) -> list[str]:
    return sorted(name for name, is_wanted in layout.items() if is_wanted)


@pytest.mark.parametrize("name", [name.replace("_", "-") for name in families.names()])
def test_the_layout_of_every_repository_is_here(name: str) -> None:
    family = families.load(name)
    assert isinstance(family.source, HuggingFace) == (name in GRAPHS)
    assert (family.exporter.source is not None) == (name in WEIGHTS)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_are_chosen_of_what_is_published(name: str) -> None:
    chosen = families.load(name).choose(list(GRAPHS[name]), Options())
    assert sorted(chosen) == wanted(GRAPHS[name])


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_chosen_of_what_is_published(name: str) -> None:
    chosen = families.load(name).exporter.choose(list(WEIGHTS[name]))
    assert sorted(chosen) == wanted(WEIGHTS[name])


def read(folder: Path, layout: dict[str, bool]) -> dict[str, bytes]:
    """Files of a folder, under the names of a layout; what else is in the layout is an error."""
    return {
        name: (folder / Path(name).name).read_bytes() if is_wanted else b"not to be fetched"
        for name, is_wanted in layout.items()
    }


def build(hub: Hub, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a person calls a script: a repository and a lock file of its own are all that differs."""
    if not (ROOT / ".venv" / "bin" / "auricle").exists():
        pytest.skip("the scripts run what make has put into .venv")
    script, *options = arguments
    command = [
        str(ROOT / "scripts" / script), "--repo", str(folder / "repo"),
        "--lock", str(folder / "lock.json"), *options,
    ]  # fmt: skip
    return subprocess.run(
        command, env=environment(hub, folder), capture_output=True, text=True, check=False
    )


def assert_built(answer: subprocess.CompletedProcess[str], hub: Hub, model: Path) -> None:
    assert answer.returncode == 0, answer.stderr
    source = spec.load(model / "1").source
    assert (source.location, source.revision) == (hub.repo_id, hub.revision)


@pytest.mark.onnx
@pytest.mark.parametrize("name", GRAPHS)
def test_a_script_fetches_and_builds(name: str, tmp_path: Path) -> None:
    source = families.load(name).source
    assert isinstance(source, HuggingFace)
    if name == "sense-voice":
        files = read(ROOT / "assets" / "sense-voice", GRAPHS[name])
    else:
        folder = WRITERS[name](tmp_path / "published")
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with serve(Hub(files, repo_id=source.repo_id)) as hub:
        answer = build(hub, tmp_path, f"build_{name.replace('-', '_')}.sh")
    assert_built(answer, hub, tmp_path / "repo" / name)


@pytest.mark.onnx
@pytest.mark.parametrize("name", EXPORTED_BY_FUNASR)
def test_a_script_fetches_and_exports_and_builds(
    name: str, tmp_path: Path, funasr_checkpoints: Path
) -> None:
    source = families.load(name).exporter.source
    assert isinstance(source, HuggingFace)
    folder = funasr_checkpoints / name
    layout = {path.name: True for path in folder.iterdir() if path.suffix != ".onnx"}
    files = {**read(folder, layout), "README.md": b"not to be fetched"}
    with serve(Hub(files, repo_id=source.repo_id)) as hub:
        answer = build(
            hub, tmp_path, f"build_{name.replace('-', '_')}.sh", "--export",
            "--python", os.environ["AURICLE_FUNASR_PYTHON"],
        )  # fmt: skip
    assert_built(answer, hub, tmp_path / "repo" / name)
