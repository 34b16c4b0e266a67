"""Names, types, axes, metadata and files are those that users' exports have."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

onnx = pytest.importorskip("onnx", reason="exports need onnx: pip install 'auricle[train]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="exports are run with onnxruntime")
yaml = pytest.importorskip("yaml")

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg

    from tests.training.streaming.conftest import Exports

pytestmark = pytest.mark.onnx
ASSETS = Path(__file__).parents[3] / "assets"
FLOAT, INT64, INT32 = "tensor(float)", "tensor(int64)", "tensor(int32)"
Described = list[tuple[str, str, list[str | int]]]
ZIPFORMER2 = {
    "encoder": "encoder-epoch-21-avg-1-chunk-32-left-128.onnx",
    "ctc": "ctc-epoch-21-avg-1-chunk-32-left-128.onnx",
}
CONFORMER: Described = [
    ("x", FLOAT, ["N", 75, 80]),
    ("cached_attn", FLOAT, [5, 64, "N", 144]),
    ("cached_conv", FLOAT, [5, 10, "N", 144]),
    ("processed_lens", INT64, ["N"]),
]
WENET: Described = [
    ("chunk_xs", FLOAT, ["B", 67, 80]),
    ("chunk_lens", INT32, ["B"]),
    ("offset", INT64, ["B", 1]),
    ("att_cache", FLOAT, ["B", 5, 4, 64, 72]),
    ("cnn_cache", FLOAT, ["B", 5, 144, 10]),
    ("cache_mask", FLOAT, ["B", 1, 64]),
]


@functools.cache
def session(path: Path) -> "InferenceSession":
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def described(values: "list[NodeArg]") -> Described:
    return [(value.name, value.type, value.shape) for value in values]


def names(values: "list[NodeArg]") -> list[str]:
    return [value.name for value in values]


@pytest.mark.parametrize("published", ["made now", "shipped"])
def test_the_conformer_has_icefalls_tensors(demo: "Exports", published: str) -> None:
    folder = demo.root / "icefall-conformer"
    folder = folder if published == "made now" else ASSETS / "icefall-streaming"
    opened = session(folder / "encoder-epoch-21-avg-1.onnx")
    assert described(opened.get_inputs()) == CONFORMER
    assert names(opened.get_outputs()) == ["encoder_out", "new_cached_attn", "new_cached_conv"]


@pytest.mark.parametrize("published", ["made now", "shipped"])
def test_the_conformer_has_icefalls_metadata(demo: "Exports", published: str) -> None:
    folder = demo.root / "icefall-conformer"
    folder = folder if published == "made now" else ASSETS / "icefall-streaming"
    opened = session(folder / "encoder-epoch-21-avg-1.onnx")
    assert opened.get_modelmeta().custom_metadata_map == {
        "model_type": "conformer",
        "version": "1",
        "model_author": "auricle",
        "comment": "stateless5",
        "pad_length": "11",
        "decode_chunk_len": "64",
        "encoder_dim": "144",
        "num_encoder_layers": "5",
        "cnn_module_kernel": "11",
        "left_context": "64",
        "right_context": "0",
        "chunk_size": "16",
        "T": "75",
    }


@pytest.mark.parametrize(("role", "output"), [("encoder", "encoder_out"), ("ctc", "log_probs")])
def test_zipformer2_has_icefalls_tensors(demo: "Exports", role: str, output: str) -> None:
    states: Described = []
    for layer in range(5):
        states += [
            (f"cached_key_{layer}", FLOAT, [64, "N", 144]),
            (f"cached_nonlin_attn_{layer}", FLOAT, [1, "N", 64, 108]),
            (f"cached_val1_{layer}", FLOAT, [64, "N", 144]),
            (f"cached_val2_{layer}", FLOAT, [64, "N", 144]),
            (f"cached_conv1_{layer}", FLOAT, ["N", 144, 10]),
            (f"cached_conv2_{layer}", FLOAT, ["N", 144, 10]),
        ]
    states += [("embed_states", FLOAT, ["N", 128, 3, 19]), ("processed_lens", INT64, ["N"])]
    kind = "icefall-zipformer2-ctc" if role == "ctc" else "icefall-zipformer2"
    opened = session(demo.root / kind / ZIPFORMER2[role])
    assert described(opened.get_inputs()) == [("x", FLOAT, ["N", 77, 80]), *states]
    assert names(opened.get_outputs()) == [output, *(f"new_{name}" for name, _, _ in states)]


@pytest.mark.parametrize(
    ("role", "comment"), [("encoder", "streaming zipformer2"), ("ctc", "streaming ctc zipformer2")]
)
def test_zipformer2_has_icefalls_metadata(demo: "Exports", role: str, comment: str) -> None:
    kind = "icefall-zipformer2-ctc" if role == "ctc" else "icefall-zipformer2"
    opened = session(demo.root / kind / ZIPFORMER2[role])
    assert opened.get_modelmeta().custom_metadata_map == {
        "model_type": "zipformer2",
        "version": "1",
        "model_author": "auricle",
        "comment": comment,
        "decode_chunk_len": "64",
        "T": "77",
        "num_encoder_layers": "2,3",
        "encoder_dims": "144,144",
        "cnn_module_kernels": "21,21",
        "left_context_len": "64,64",
        "query_head_dims": "36,36",
        "value_head_dims": "36,36",
        "num_heads": "4,4",
    }


def test_wenet_has_its_tensors(demo: "Exports") -> None:
    opened = session(demo.root / "wenet" / "encoder.onnx")
    assert described(opened.get_inputs()) == WENET
    found = {value.name: (value.type, value.shape[0]) for value in opened.get_outputs()}
    assert found == {
        "log_probs": (FLOAT, "B"),
        "log_probs_idx": (INT64, "B"),
        "chunk_out": (FLOAT, "B"),
        "chunk_out_lens": (INT32, "B"),
        "r_offset": (INT64, "B"),
        "r_att_cache": (FLOAT, "B"),
        "r_cnn_cache": (FLOAT, "B"),
        "r_cache_mask": (FLOAT, "B"),
    }


def test_wenets_config_says_what_its_graph_has(demo: "Exports") -> None:
    text = (demo.root / "wenet" / "config.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {
        "subsampling_rate": 4,
        "context": 7,
        "decoding_chunk_size": 16,
        "num_decoding_left_chunks": 4,
        "beam_size": 10,
        "fp16": False,
        "feat_size": 80,
        "decoding_window": 67,
        "cnn_module_kernel_cache": 10,
        "return_ctc_logprobs": False,
    }


def test_a_left_context_of_broken_chunks_is_refused_for_wenet() -> None:
    from training.streaming.chunking import Chunking
    from training.streaming.wenet import left_chunks

    with pytest.raises(ValueError, match="left context 12 is no multiple of chunk 8"):
        left_chunks(Chunking(chunk=8, left_context=12))


def test_opsets_are_upstreams(demo: "Exports") -> None:
    opsets = {
        str(path.relative_to(demo.root)): onnx.load(str(path)).opset_import[0].version
        for path in demo.root.rglob("*.onnx")
    }
    expected = {name: 14 if name == "wenet/encoder.onnx" else 13 for name in opsets}
    assert opsets == expected


def test_files_are_named_as_upstream_names_them(demo: "Exports") -> None:
    files = {
        kind.name: sorted(path.name for path in kind.iterdir()) for kind in demo.root.iterdir()
    }
    conformer, zipformer2 = "epoch-21-avg-1.onnx", "epoch-21-avg-1-chunk-32-left-128.onnx"
    roles = ("decoder", "encoder", "joiner")
    assert files == {
        "icefall-conformer": [
            "bpe.model", *(f"{role}-{conformer}" for role in roles), "tokens.txt",
        ],
        "icefall-zipformer2": [
            "bpe.model", *(f"{role}-{zipformer2}" for role in roles), "tokens.txt",
        ],
        "icefall-zipformer2-ctc": ["bpe.model", f"ctc-{zipformer2}", "tokens.txt"],
        "wenet": [
            "config.yaml", "decoder.onnx", "encoder.onnx", "global_cmvn", "train.yaml", "units.txt",
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("offline", "name"),
    [
        ("icefall-transducer", "decoder-epoch-21-avg-1.onnx"),
        ("icefall-transducer", "joiner-epoch-21-avg-1.onnx"),
        ("icefall-transducer", "tokens.txt"),
        ("icefall-transducer", "bpe.model"),
    ],
)
def test_what_is_not_the_encoder_is_the_offline_exports(offline: str, name: str) -> None:
    shipped = ASSETS / "icefall-streaming" / name
    assert shipped.read_bytes() == (ASSETS / offline / name).read_bytes()


def test_the_shipped_encoder_is_small() -> None:
    assert (ASSETS / "icefall-streaming" / "encoder-epoch-21-avg-1.onnx").stat().st_size < 7e6
