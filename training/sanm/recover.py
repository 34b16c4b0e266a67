"""SenseVoice's checkpoint from its published folder, to start another training from.

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

from training.published import BPE_NAME, read_cmvn
from training.sanm.dataset import Cmvn
from training.sanm.models import Checkpoint, objective, save

FOLDED = {"MatMul": "weight", "Mul": "weight", "Add": "bias"}


def weights(graph: onnx.GraphProto, names: Iterable[str]) -> dict[str, Tensor]:
    """The parameters by torch's names, which must all be there.

    Raises KeyError for the name of a parameter that the graph lacks.
    """
    stored = {entry.name: _tensor(entry) for entry in graph.initializer}
    folded = {}
    for node in graph.node:
        for name in set(node.input) & stored.keys():
            if name.startswith("onnx::") and node.op_type in FOLDED:
                value = stored[name].T if node.op_type == "MatMul" else stored[name]
                folded[f"{_module(node.name)}.{FOLDED[node.op_type]}"] = value.contiguous()
    # SenseVoice is exported without the module that its last layer belongs to.
    found = stored | folded | {f"ctc.{name}": value for name, value in folded.items()}
    return {name: found[name] for name in names}


def _tensor(entry: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(onnx.numpy_helper.to_array(entry).copy())


def _module(node: str) -> str:
    """/encoder/encoders.0/norm1/Mul is of encoder.encoders.0.norm1."""
    return re.sub(r"/[^/]+$", "", node).strip("/").replace("/", ".")


def sense_voice(folder: Path) -> Checkpoint:
    graph = onnx.load(str(folder / "model.onnx")).graph
    names = objective("sense-voice", folder / BPE_NAME).model.state_dict()
    cmvn = Cmvn(*read_cmvn(folder / "am.mvn"))
    return Checkpoint("sense-voice", cmvn, weights(graph, names), minutes=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="assets/sense-voice")
    parser.add_argument("out", type=Path, help="checkpoint of training.sanm.train")
    args = parser.parse_args()
    save(args.out, sense_voice(args.folder))


if __name__ == "__main__":
    main()
