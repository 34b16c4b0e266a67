"""A checkpoint from a published folder, to start another training from.

FunASR's exporter keeps the weights in float32, but torch renames those that it folds into another
layout: the name of the node that multiplies by one, or adds it, says whose it is.
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

import onnx
import onnx.numpy_helper
import torch
from torch import Tensor

from training.published import read_cmvn
from training.sanm.dataset import Cmvn
from training.sanm.models import CONFIGS, Checkpoint, objective, save

PAST_TAPS = re.compile(r"decoder\.decoders\.\d+\.self_attn\.fsmn_block\.weight")
FOLDED = {"MatMul": "weight", "Mul": "weight", "Add": "bias"}


def weights(graph: onnx.GraphProto, names: Iterable[str]) -> dict[str, Tensor]:
    """The parameters by torch's names, which must all be there.

    Raises KeyError for the name of a parameter that the graph lacks.
    """
    stored = {_plain(entry.name): _tensor(entry) for entry in graph.initializer}
    folded = {}
    for node in graph.node:
        for name in set(node.input) & stored.keys():
            if name.startswith("onnx::") and node.op_type in FOLDED:
                value = stored[name].T if node.op_type == "MatMul" else stored[name]
                folded[f"{_module(node.name)}.{FOLDED[node.op_type]}"] = value.contiguous()
    # SenseVoice is exported without the module that its last layer belongs to.
    found = stored | folded | {f"ctc.{name}": value for name, value in folded.items()}
    return {name: found[name] for name in names}


def _plain(name: str) -> str:
    """The exporter wraps Paraformer's parts, which makes encoder.model of encoder."""
    return re.sub(r"^(encoder|decoder)\.model\.", r"\1.", name)


def _tensor(entry: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(onnx.numpy_helper.to_array(entry).copy())


def _module(node: str) -> str:
    """/encoder/encoders/encoders.0/norm1/Mul is of encoder.encoders.0.norm1."""
    names = re.sub(r"/[^/]+$", "", node).strip("/").replace("/", ".")
    return re.sub(r"\b(\w+)\.(?=\1\.\d)", "", names)


def recover(kind: str, folder: Path, bpe: Path) -> Checkpoint:
    """kind: of the checkpoint; the online Paraformer begins with what the offline one has."""
    graph = onnx.load(str(folder / "model.onnx")).graph
    own = objective(kind, bpe).model.state_dict()
    # What only training uses is not exported; SenseVoice's CTC layer is its output.
    training_only = () if kind == "sense-voice" else ("decoder.embed.", "ctc.")
    unpublished = {name for name in own if name.startswith(training_only)}
    found = weights(graph, own.keys() - unpublished)
    if kind == "paraformer-online":
        found |= {name: _of_the_past(found[name]) for name in found if PAST_TAPS.match(name)}
    found |= {name: own[name] for name in unpublished}
    cmvn = Cmvn(*read_cmvn(folder / "am.mvn"))
    return Checkpoint(kind, cmvn, found, minutes=0.0)


def _of_the_past(taps: Tensor) -> Tensor:
    """[D, 1, K] around a token -> up to it: what looked ahead is left out."""
    ahead = taps.shape[2] // 2
    return torch.nn.functional.pad(taps[:, :, : taps.shape[2] - ahead], (ahead, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(CONFIGS))
    parser.add_argument("folder", type=Path, help="assets/sense-voice or assets/paraformer")
    parser.add_argument("bpe", type=Path, help="bpe.model of training.sanm.tokens")
    parser.add_argument("out", type=Path, help="checkpoint of training.sanm.train")
    args = parser.parse_args()
    save(args.out, recover(args.kind, args.folder, args.bpe))


if __name__ == "__main__":
    main()
