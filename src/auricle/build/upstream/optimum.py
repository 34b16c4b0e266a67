"""Optimum's exporter of transformers' models, in an environment that the user names."""

from dataclasses import dataclass
from pathlib import Path

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import choose_file, list_files, matching
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.upstream import Request
from auricle.build.upstream.files import exported
from auricle.build.upstream.process import find_python, run

NAME = "Optimum's exporter (pip install optimum-onnx)"
TASK = "automatic-speech-recognition-with-past"
NEEDED = ("config.json", "generation_config.json", "preprocessor_config.json")
BESIDE = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
          "added_tokens.json", "special_tokens_map.json", "normalizer.json")  # fmt: skip


@dataclass(frozen=True)
class Optimum:
    """A folder of transformers -> encoder_model.onnx, decoder_model.onnx and what is beside."""

    source: HuggingFace | None
    streaming_source: HuggingFace | None = None

    def choose(self, names: list[str]) -> list[str]:
        """Weights first."""
        weights = choose_file(names, "model.safetensors", "pytorch_model.bin")
        needed = [choose_file(names, pattern) for pattern in NEEDED]
        return [weights, *needed, *(name for each in BESIDE for name in matching(names, each))]

    def export(self, request: Request) -> Checkpoint:
        names = self.choose(list_files(request.checkpoint.folder))
        python = find_python(NAME, request.python, Path())
        folder = (request.checkpoint.folder / names[0]).parent
        run(
            NAME,
            [python, "-m", "optimum.exporters.onnx", "--model", folder, "--task", TASK,
             *request.arguments, request.out],
            request.show,
        )  # fmt: skip
        return exported(NAME, request)
