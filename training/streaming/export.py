"""Write the demo checkpoint as icefall and WeNet write their streaming exports."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import version_converter

from training import export as icefall
from training import wenet as offline_wenet
from training import wenet_graphs
from training.features import Statistics
from training.model import Progress, Recognizer, load
from training.streaming import conformer, wenet, zipformer2
from training.streaming.chunking import Chunking
from training.tokens import write_tokens

ASSETS = Path(__file__).parents[2] / "assets"
DEFAULT = Chunking()


@dataclasses.dataclass(frozen=True)
class Job:
    """What the exports are made of; cmvn is WeNet's global_cmvn, bpe the checkpoint's bpe.model."""

    model: Recognizer
    progress: Progress
    chunking: Chunking = DEFAULT
    bpe: Path = ASSETS / "icefall-transducer" / "bpe.model"
    cmvn: Path = ASSETS / "wenet-u2" / "global_cmvn"


def icefall_conformer(job: Job, folder: Path) -> None:
    graph = conformer.encoder_graph(job.model, job.chunking)
    _transducer(job, graph, folder, f"epoch-{job.progress.epoch}-avg-1")


def icefall_zipformer2(job: Job, folder: Path) -> None:
    graph = zipformer2.encoder_graph(job.model, job.chunking)
    _transducer(job, graph, folder, _zipformer2_suffix(job))


def icefall_zipformer2_ctc(job: Job, folder: Path) -> None:
    graph = zipformer2.ctc_graph(job.model, job.chunking)
    icefall.write_graph(graph, folder / f"ctc-{_zipformer2_suffix(job)}.onnx")
    _vocabulary(job, folder)


def _zipformer2_suffix(job: Job) -> str:
    """As icefall counts: chunk and left context in frames of 20 ms."""
    chunk, left = (
        zipformer2.DOWNSAMPLING * frames
        for frames in (job.chunking.chunk, job.chunking.left_context)
    )
    return f"epoch-{job.progress.epoch}-avg-1-chunk-{chunk}-left-{left}"


def _transducer(job: Job, encoder: icefall.Graph, folder: Path, suffix: str) -> None:
    icefall.write_graph(encoder, folder / f"encoder-{suffix}.onnx")
    icefall.write_graph(icefall.decoder_graph(job.model), folder / f"decoder-{suffix}.onnx")
    icefall.write_graph(icefall.joiner_graph(job.model), folder / f"joiner-{suffix}.onnx")
    _vocabulary(job, folder)


def _vocabulary(job: Job, folder: Path) -> None:
    shutil.copyfile(job.bpe, folder / "bpe.model")
    write_tokens(folder)


def wenet_u2(job: Job, folder: Path) -> None:
    cmvn = json.loads(job.cmvn.read_text(encoding="utf-8"))
    sums = (np.array(cmvn[name]) for name in ("mean_stat", "var_stat"))
    model = offline_wenet.adapt(job.model, Statistics(*sums, cmvn["frame_num"]))
    encoder = folder / "encoder.onnx"
    icefall.write_graph(wenet.encoder_graph(model, job.chunking), encoder)
    proto = version_converter.convert_version(onnx.load(str(encoder)), wenet.OPSET)
    onnx.save(proto, str(encoder))
    icefall.write_graph(wenet_graphs.decoder_graph(model), folder / "decoder.onnx")
    offline_wenet.write_units(folder / "units.txt", job.bpe)
    shutil.copyfile(job.cmvn, folder / "global_cmvn")
    configs = {
        "train": offline_wenet.train_config(model),
        "config": wenet.exporter_config(model, job.chunking),
    }
    for name, values in configs.items():
        text = yaml.safe_dump(values, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


KINDS = {
    "icefall-conformer": icefall_conformer,
    "icefall-zipformer2": icefall_zipformer2,
    "icefall-zipformer2-ctc": icefall_zipformer2_ctc,
    "wenet": wenet_u2,
}


def export(kind: str, job: Job, folder: Path) -> None:
    """kind: of KINDS."""
    folder.mkdir(parents=True, exist_ok=True)
    KINDS[kind](job, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("out", type=Path, help="gets the files that a user of the kind would have")
    parser.add_argument("--checkpoint", type=Path, default=ASSETS / "checkpoint.pt")
    parser.add_argument("--bpe", type=Path, default=Job.bpe, help="bpe.model of the checkpoint")
    parser.add_argument("--cmvn", type=Path, default=Job.cmvn, help="WeNet's global_cmvn")
    parser.add_argument("--chunk", type=int, default=DEFAULT.chunk, help="encoder frames of 40 ms")
    parser.add_argument("--left-context", type=int, default=DEFAULT.left_context, help="the same")
    args = parser.parse_args()
    chunking = Chunking(args.chunk, args.left_context)
    model, progress = load(args.checkpoint)
    job = Job(model, progress, chunking, args.bpe, args.cmvn)
    export(args.kind, job, args.out)


if __name__ == "__main__":
    main()
