"""Whispers of random weights, of transformers' own architecture, exported as their users export.

Optimum needs an environment of its own (transformers below 4.58), so its graphs are written here:
with the names, axes and order that it gives them, by the exporter that it runs (torch.onnx, not
dynamo). Names and axes: optimum-onnx 0.1.0, exporters/onnx/model_configs.py (WhisperOnnxConfig) and
graph_transformations.py (merge_decoders). sherpa-onnx's: scripts/whisper/export-onnx.py.
"""

import base64
import functools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from auricle.build.export.surgery import rename_reads

SAMPLE_RATE, SHIFT, STEP = 16000, 160, 320  # samples; of a timestamp: 20 ms
LANGUAGES = ("en", "zh", "de")
TEXTS = ("the quick brown fox jumps over the lazy dog and the other one", "what there was then",
         "上海今天的天气 very well, thank you! it's 10 o'clock")  # fmt: skip
NUM_MERGED = 320  # bytes and pairs


@dataclass(frozen=True)
class Tiny:
    """seconds: of a window.  positions: tokens that the decoder can write.

    ffn: times size.  num_tokens: of the vocabulary at least, more than have names.
    ends: how often it ends early.  writes_times: whether times are among what it may write, which
    a real one does only where it is asked to.
    """

    num_mel_bins: int = 80
    seconds: int = 5
    positions: int = 64
    size: int = 64
    layers: int = 2
    heads: int = 2
    seed: int = 2
    is_multilingual: bool = True
    ffn: int = 2
    num_tokens: int = 0
    ends: float = 2.6
    writes_times: bool = True

    @property
    def num_frames(self) -> int:
        return self.seconds * SAMPLE_RATE // SHIFT


BASE = Tiny()
LARGE_V3 = Tiny(num_mel_bins=128, seed=5)
SHERPA = Tiny(seed=7)
FULL = Tiny(seconds=30, seed=7)  # sherpa-onnx itself knows no other window


class Vocabulary:
    """Byte-level BPE learnt from a few words, with Whisper's special tokens behind it."""

    def __init__(self, tiny: Tiny) -> None:
        from tokenizers import ByteLevelBPETokenizer

        learnt = ByteLevelBPETokenizer()
        learnt.train_from_iterator(TEXTS * 9, vocab_size=NUM_MERGED, show_progress=False)
        self.tokenizer = learnt
        self.merged = [learnt.id_to_token(number) for number in range(learnt.get_vocab_size())]
        names = ["endoftext", "startoftranscript"]
        names += LANGUAGES if tiny.is_multilingual else LANGUAGES[:1]
        names += ["translate", "transcribe", "startoflm", "startofprev", "nospeech"]
        stamps = [f"{number * 0.02:.2f}" for number in range(tiny.seconds * 50 + 1)]
        names += ["notimestamps", *stamps]
        self.special = {name: len(self.merged) + place for place, name in enumerate(names)}
        self.size = max(len(self.merged) + len(names), tiny.num_tokens)

    def save(self, path: Path) -> None:
        """A tokenizer.json, as transformers writes it."""
        from tokenizers import AddedToken

        tokenizer = self.tokenizer._tokenizer
        tokens = [AddedToken(f"<|{name}|>", special=True) for name in self.special]
        if len(self.merged) == tokenizer.get_vocab_size():
            tokenizer.add_special_tokens(tokens)
        tokenizer.save(str(path))

    def to_text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def generation(self, tiny: Tiny) -> dict[str, Any]:
        """What generation_config.json says."""
        special = self.special
        shared = {
            "decoder_start_token_id": special["startoftranscript"],
            "eos_token_id": special["endoftext"],
            "pad_token_id": special["endoftext"],
            "bos_token_id": special["endoftext"],
            "max_length": tiny.positions,
            "max_initial_timestamp_index": 50,
            "no_timestamps_token_id": special["notimestamps"],
            "prev_sot_token_id": special["startofprev"],
            "begin_suppress_tokens": [self.merged.index("Ġ"), special["endoftext"]],
            "suppress_tokens": [
                1, 2, 7, *(special[name] for name in ("startoftranscript", "translate",
                "transcribe", "startoflm", "startofprev", "nospeech")),
                *([] if tiny.writes_times else range(special["0.00"], self.size)),
            ],
            "is_multilingual": tiny.is_multilingual,
        }  # fmt: skip
        if not tiny.is_multilingual:
            return shared
        return shared | {
            "lang_to_id": {f"<|{name}|>": special[name] for name in LANGUAGES},
            "task_to_id": {name: special[name] for name in ("transcribe", "translate")},
        }


def _gain(name: str) -> float:
    """Of weights: what makes a random decoder hear the audio, and not repeat its last token."""
    if "embed" in name:
        return 3.0 if "tokens" in name else 6.0
    if "decoder" in name and ("q_proj" in name or "k_proj" in name):
        return 3.0
    return 4.0 if "out_proj" in name or "fc2" in name else 1.0


@functools.cache
def make_model(tiny: Tiny) -> Any:
    """transformers' WhisperForConditionalGeneration."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    vocabulary = Vocabulary(tiny)
    generation = vocabulary.generation(tiny)
    ids = ("decoder_start_token_id", "eos_token_id", "pad_token_id", "bos_token_id")
    config = WhisperConfig(
        vocab_size=vocabulary.size,
        num_mel_bins=tiny.num_mel_bins,
        d_model=tiny.size,
        encoder_layers=tiny.layers,
        decoder_layers=tiny.layers,
        encoder_attention_heads=tiny.heads,
        decoder_attention_heads=tiny.heads,
        encoder_ffn_dim=tiny.ffn * tiny.size,
        decoder_ffn_dim=tiny.ffn * tiny.size,
        max_source_positions=tiny.num_frames // 2,
        max_target_positions=tiny.positions,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **{name: generation[name] for name in ids},
    )
    torch.manual_seed(tiny.seed)
    model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "encoder.embed_positions" not in name:
                weight.normal_(0, _gain(name) * weight[0].numel() ** -0.5)
        model.model.decoder.embed_tokens.weight[generation["eos_token_id"]] *= tiny.ends
    model.generation_config = GenerationConfig(**generation)
    return model


def write_optimum(folder: Path, tiny: Tiny = BASE) -> Path:
    """encoder_model.onnx, decoder_model.onnx and decoder_with_past_model.onnx, and their files."""
    folder.mkdir(parents=True)
    for name, content in _optimum_files(tiny).items():
        (folder / name).write_bytes(content)
    return folder


def write_merged(folder: Path, tiny: Tiny = LARGE_V3) -> Path:
    """The same with one decoder_model_merged.onnx."""
    write_optimum(folder, tiny)
    paths = [folder / f"decoder{name}_model.onnx" for name in ("", "_with_past")]
    nothing = (0, tiny.heads, 1, tiny.size // tiny.heads)
    merged = merge_decoders(onnx.load(paths[0]), onnx.load(paths[1]), nothing)
    for path in paths:
        path.unlink()
    onnx.save(merged, folder / "decoder_model_merged.onnx")
    return folder


def write_sherpa(folder: Path, tiny: Tiny = SHERPA) -> Path:
    """tiny-encoder.onnx, tiny-decoder.onnx and tiny-tokens.txt."""
    folder.mkdir(parents=True)
    for name, content in _sherpa_files(tiny).items():
        (folder / name).write_bytes(content)
    return folder


@contextmanager
def _tracing() -> Iterator[None]:
    """The tracer warns of every branch in transformers' code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

        with torch.no_grad():
            yield


def _export(
    network: Any, inputs: Any, names: Sequence[str], made: Sequence[str], axes: Any, opset: int
) -> bytes:
    import io

    import torch

    file = io.BytesIO()
    with _tracing():
        torch.onnx.export(network, inputs, file, input_names=list(names), output_names=list(made),
                          dynamic_axes=axes, opset_version=opset, dynamo=False)  # fmt: skip
    return file.getvalue()


def cache_names(prefix: str, tiny: Tiny, kinds: Sequence[str]) -> list[str]:
    return [
        f"{prefix}.{layer}.{kind}.{part}"
        for layer in range(tiny.layers)
        for kind in kinds
        for part in ("key", "value")
    ]


@functools.cache
def _optimum_files(tiny: Tiny) -> dict[str, bytes]:
    import tempfile

    files = _optimum_graphs(tiny)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_model(tiny).config.save_pretrained(folder)
        make_model(tiny).generation_config.save_pretrained(folder)
        Vocabulary(tiny).save(folder / "tokenizer.json")
        names = ("config.json", "generation_config.json", "tokenizer.json")
        return files | {name: (folder / name).read_bytes() for name in names}


def _optimum_graphs(tiny: Tiny) -> dict[str, bytes]:
    import torch

    model = make_model(tiny)
    features = torch.zeros(2, tiny.num_mel_bins, tiny.num_frames)
    hidden = torch.zeros(2, tiny.num_frames // 2, tiny.size)
    ids = torch.zeros(2, 16, dtype=torch.int64)
    batch = {0: "batch_size"}
    sizes = {"decoder": 16, "encoder": tiny.num_frames // 2}
    past_names = cache_names("past_key_values", tiny, ("decoder", "encoder"))
    past = [
        torch.zeros(2, tiny.heads, sizes[name.split(".")[2]], tiny.size // tiny.heads)
        for name in past_names
    ]
    lengths = {"decoder": "past_decoder_sequence_length", "encoder": "encoder_sequence_length"}
    past_axes = {name: batch | {2: lengths[name.split(".")[2]]} for name in past_names}
    hidden_axes = {"encoder_hidden_states": batch | {1: "encoder_sequence_length"}}
    network = _decoder_with_cache(model)
    return {
        "encoder_model.onnx": _export(
            _Encoder.of(model), (features,), ["input_features"], ["last_hidden_state"],
            {"input_features": batch, "last_hidden_state": batch}, 17,
        ),
        "decoder_model.onnx": _export(
            network, (ids, hidden), ["input_ids", "encoder_hidden_states"],
            ["logits", *cache_names("present", tiny, ("decoder", "encoder"))],
            hidden_axes | {"input_ids": batch | {1: "decoder_sequence_length"}}, 17,
        ),
        "decoder_with_past_model.onnx": _export(
            network, (ids[:, :1], hidden, *past),
            ["input_ids", "encoder_hidden_states", *past_names],
            ["logits", *cache_names("present", tiny, ("decoder",))],
            hidden_axes | past_axes | {"input_ids": batch}, 17,
        ),
    }  # fmt: skip


class _Encoder:
    @staticmethod
    def of(model: Any) -> Any:
        import torch

        class Encoder(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
            def __init__(self) -> None:
                super().__init__()
                self.encoder = model.model.encoder

            def forward(self, features: Any) -> Any:
                return self.encoder(features).last_hidden_state

        return Encoder()


def _decoder_with_cache(model: Any) -> Any:
    import torch
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache

    class Decoder(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        """Tokens, hidden states, and the past of each layer if there is one."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, hidden: Any, *past: Any) -> Any:
            caches = DynamicCache(), DynamicCache()
            for place, values in enumerate(zip(past[::2], past[1::2], strict=True)):
                caches[place % 2].update(*values, place // 2)
            cache = EncoderDecoderCache(*caches)
            found = self.model.model.decoder(
                input_ids=ids, encoder_hidden_states=hidden, cache=cache, use_cache=True
            )
            kept = found.cache.self_attention_cache, found.cache.cross_attention_cache
            presents = [
                part
                for layers in zip(*(each.layers for each in kept), strict=True)
                for layer in (layers[:1] if past else layers)
                for part in (layer.keys, layer.values)
            ]
            return (self.model.proj_out(found.last_hidden_state), *presents)

    return Decoder()


def merge_decoders(
    first: onnx.ModelProto, step: onnx.ModelProto, nothing: tuple[int, ...]
) -> onnx.ModelProto:
    """One If over use_cache_branch, as optimum's merge_decoders makes it, its weights outside.

    What a step does not give, the keys and values of the audio, is a constant of that shape there.
    """
    _rename_others(first, step)
    names = [value.name for value in first.graph.output]
    given = {value.name: value for value in step.graph.output}
    nodes = list(step.graph.node)
    empty = helper.make_tensor("nothing", TensorProto.FLOAT, nothing, [])
    for name in names:
        if name not in given:
            nodes.append(helper.make_node("Constant", [], [name], value=empty))
            given[name] = helper.make_tensor_value_info(name, TensorProto.FLOAT, nothing)
    own = [[each for each in model.graph.initializer if not each.dims] for model in (first, step)]
    no_past = helper.make_graph(first.graph.node, "no_past", [], list(first.graph.output), own[0])
    outputs = [given[name] for name in names]
    with_past = helper.make_graph(nodes, "with_past", [], outputs, own[1])
    condition = helper.make_node("If", ["use_cache_branch"], names, name="optimum::if",
                                 then_branch=with_past, else_branch=no_past)  # fmt: skip
    inputs = {value.name: value for model in (step, first) for value in model.graph.input}
    use_cache = helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])
    models = step, first
    weights = {each.name: each for model in models for each in model.graph.initializer if each.dims}
    graph = helper.make_graph(
        [condition], "merged", [*inputs.values(), use_cache], list(first.graph.output),
        list(weights.values()),
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=list(first.opset_import), ir_version=9)


def _rename_others(first: onnx.ModelProto, step: onnx.ModelProto) -> None:
    """The exporter numbers its constants: what has one name in both need not be one thing."""
    known = {each.name: each.raw_data for each in first.graph.initializer}
    for each in step.graph.initializer:
        if known.get(each.name, each.raw_data) != each.raw_data:
            rename_reads(step.graph, each.name, f"{each.name}_2")
            each.name += "_2"


@functools.cache
def _sherpa_files(tiny: Tiny) -> dict[str, bytes]:
    import torch

    model = make_model(tiny)
    networks = _sherpa_networks(model, tiny)
    model.set_attn_implementation("eager")  # opset 13 knows no other
    features = torch.zeros(1, tiny.num_mel_bins, tiny.num_frames)
    cross = torch.zeros(tiny.layers, 1, tiny.num_frames // 2, tiny.size)
    caches = torch.zeros(tiny.layers, 1, tiny.positions, tiny.size)
    tokens = torch.zeros(1, 1, dtype=torch.int64)
    n_audio = {1: "n_audio"}
    cross_names = ["n_layer_cross_k", "n_layer_cross_v"]
    cache_ports = ["in_n_layer_self_k_cache", "in_n_layer_self_v_cache"]
    encoder = _export(
        networks[0], (features,), ["mel"], cross_names,
        {"mel": {0: "n_audio"}} | dict.fromkeys(cross_names, n_audio), 13,
    )  # fmt: skip
    decoder = _export(
        networks[1],
        (tokens, caches, caches.clone(), cross, cross.clone(), torch.tensor([3])),
        ["tokens", *cache_ports, *cross_names, "offset"],
        ["logits", "out_n_layer_self_k_cache", "out_n_layer_self_v_cache"],
        {"tokens": {0: "n_audio", 1: "n_tokens"}}
        | dict.fromkeys([*cache_ports, *cross_names], n_audio),
        13,
    )
    model.set_attn_implementation("sdpa")
    vocabulary = Vocabulary(tiny)
    lines = [f"{base64.b64encode(spell_bytes(symbol)).decode()} {number}"
             for number, symbol in enumerate(vocabulary.merged)]  # fmt: skip
    return {
        "tiny-encoder.onnx": _with_metadata(encoder, _sherpa_metadata(tiny)),
        "tiny-decoder.onnx": decoder,
        "tiny-tokens.txt": "".join(f"{line}\n" for line in lines).encode(),
    }


def spell_bytes(symbol: str) -> bytes:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = {letter: byte for byte, letter in bytes_to_unicode().items()}
    return bytes(letters[letter] for letter in symbol)


def _sherpa_metadata(tiny: Tiny) -> dict[str, object]:
    vocabulary = Vocabulary(tiny)
    special = vocabulary.special
    sequence = ["startoftranscript"]
    if tiny.is_multilingual:
        sequence += ["en", "transcribe"]
    languages = LANGUAGES if tiny.is_multilingual else LANGUAGES[:1]
    return {
        "model_type": "whisper-tiny", "version": "1", "maintainer": "k2-fsa",
        "n_mels": tiny.num_mel_bins, "n_audio_ctx": tiny.num_frames // 2,
        "n_audio_state": tiny.size, "n_audio_head": tiny.heads, "n_audio_layer": tiny.layers,
        "n_vocab": vocabulary.size, "n_text_ctx": tiny.positions, "n_text_state": tiny.size,
        "n_text_head": tiny.heads, "n_text_layer": tiny.layers,
        "sot_sequence": ",".join(str(special[name]) for name in sequence),
        "all_language_tokens": ",".join(str(special[name]) for name in languages),
        "all_language_codes": ",".join(languages),
        "sot": special["startoftranscript"], "sot_index": 0, "eot": special["endoftext"],
        "blank_id": vocabulary.merged.index("Ġ"), "is_multilingual": int(tiny.is_multilingual),
        "no_speech": special["nospeech"], "non_speech_tokens": "1,2,7",
        "transcribe": special["transcribe"], "translate": special["translate"],
        "sot_prev": special["startofprev"], "sot_lm": special["startoflm"],
        "no_timestamps": special["notimestamps"],
    }  # fmt: skip


def _with_metadata(content: bytes, facts: dict[str, object]) -> bytes:
    model = onnx.load_from_string(content)
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=str(value))
    return bytes(model.SerializeToString())


def _sherpa_networks(model: Any, tiny: Tiny) -> Any:
    """Encoder and decoder with their own caches, computing as openai/whisper's modules do."""
    import torch

    def attend(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        """[N, U, D], [N, T, D], [N, T, D] -> [N, U, D]."""
        scale = (tiny.size // tiny.heads) ** -0.25
        split = [each.view(*each.shape[:2], tiny.heads, -1) for each in (query, key, value)]
        q, k, v = (each.permute(0, 2, 1, 3) for each in split)
        scores = (q * scale) @ (k * scale).transpose(-1, -2)
        if mask is not None:
            scores = scores + mask[: query.shape[1], : query.shape[1]]
        mixed = torch.softmax(scores, dim=-1) @ v
        return mixed.permute(0, 2, 1, 3).flatten(start_dim=2)

    class Encoder(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.model = model.model

        def forward(self, mel: Any) -> Any:
            hidden = self.model.encoder(mel).last_hidden_state
            layers = [layer.encoder_attn for layer in self.model.decoder.layers]
            keys = torch.stack([layer.k_proj(hidden) for layer in layers])
            return keys, torch.stack([layer.v_proj(hidden) for layer in layers])

    class Decoder(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.decoder = model.model.decoder
            mask = torch.full((tiny.positions, tiny.positions), -np.inf).triu(1)
            self.register_buffer("mask", mask)

        def forward(
            self, tokens: Any, keys: Any, values: Any, cross_k: Any, cross_v: Any, offset: Any
        ) -> Any:
            decoder, end = self.decoder, offset[0] + tokens.shape[-1]
            x = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[offset[0] : end]
            for number, layer in enumerate(decoder.layers):
                own = layer.self_attn
                y = layer.self_attn_layer_norm(x)
                k, v = keys[number, :, :end, :], values[number, :, :end, :]
                k[:, -y.shape[1] :, :] = own.k_proj(y)
                v[:, -y.shape[1] :, :] = own.v_proj(y)
                x = x + own.out_proj(attend(own.q_proj(y), k, v, self.mask))
                keys[number, :, :end, :] = k
                values[number, :, :end, :] = v
                other = layer.encoder_attn
                query = other.q_proj(layer.encoder_attn_layer_norm(x))
                x = x + other.out_proj(attend(query, cross_k[number], cross_v[number]))
                y = torch.nn.functional.gelu(layer.fc1(layer.final_layer_norm(x)))
                x = x + layer.fc2(y)
            x = decoder.layer_norm(x)
            weight = decoder.embed_tokens.weight
            return torch.matmul(weight, x.permute(0, 2, 1)).permute(0, 2, 1), keys, values

    return Encoder(), Decoder()
