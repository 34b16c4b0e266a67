"""The options of `auricle build`."""

import pkgutil
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

FAMILIES = Path(__file__).parents[2] / "build" / "families"  # whose import would load onnx
FAMILY_NAMES = sorted(
    each.name.replace("_", "-")
    for each in pkgutil.iter_modules([str(FAMILIES)])
    if not each.name.startswith("_")
)


class Runner(str, Enum):
    onnxruntime = "onnxruntime"
    bls = "bls"


class Target(str, Enum):
    cpu = "cpu"
    gpu = "gpu"


class Backend(str, Enum):
    onnxruntime = "onnxruntime"
    tensorrt = "tensorrt"


class LmUnitsName(str, Enum):
    auto = "auto"
    tokens = "tokens"
    words = "words"


class FeatureEdges(str, Enum):
    zeros = "zeros"
    reflect = "reflect"


class Precision(str, Enum):
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"
    int8 = "int8"


class Quantization(str, Enum):
    dynamic = "dynamic"
    qdq = "qdq"


def _folder(path: Path) -> Path:
    if "://" in str(path) or str(path).startswith(("s3:", "gs:")):
        raise typer.BadParameter(
            "models are written to a folder; `auricle repo push` copies it to a bucket"
        )
    return path


FamilyName = Annotated[str, typer.Argument(help=f"{', '.join(FAMILY_NAMES)}.")]
Name = Annotated[str, typer.Option("--name", help="What clients will call the model.")]
Repo = Annotated[
    Path,
    typer.Option(
        "--repo", envvar="AURICLE_REPO", callback=_folder, help="The model repository to write to."
    ),
]
# Where the checkpoint is.
From = Annotated[
    Path | None,
    typer.Option("--from", help="A checkpoint folder; without it one is downloaded."),
]
Lock = Annotated[
    Path,
    typer.Option(
        "--lock", envvar="AURICLE_LOCK", help="Where downloads record revision and sha256."
    ),
]
# What is run on PyTorch's.
Export = Annotated[
    bool,
    typer.Option("--export", help="The checkpoint is PyTorch's: run its project's exporter first."),
]
Checkout = Annotated[
    Path | None,
    typer.Option("--checkout", help="WeNet's or icefall's source, which has their exporter."),
]
Python = Annotated[
    str | None,
    typer.Option("--python", help="The interpreter that has the exporter, or ModelOpt for bf16."),
]
ExporterArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="-- ARGUMENTS", help="For the exporter of --export.", show_default=False
    ),
]
# What is made of it.
Streaming = Annotated[
    bool,
    typer.Option("--streaming", help="Fetch, export or choose what hears live audio."),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Of the checkpoint's own graphs, or what is made of its fp32 ones; bf16 by ModelOpt, "
        "which --python has.",
    ),
]
QuantizationOption = Annotated[
    Quantization,
    typer.Option(
        "--quantization",
        help="Of int8: dynamic, for CPUs, or qdq, with ranges of real speech, for TensorRT.",
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option("--calibration", help="Of qdq: a folder with wav.scp, whose speech is heard."),
]
FeatureEdgesOption = Annotated[
    FeatureEdges | None,
    typer.Option(
        "--feature-edges",
        help="Of NeMo: what its features see beyond the audio, zeros since 2.5, its reflection "
        "before; without it, as model_config.yaml's version says, or else zeros.",
    ),
]
Vad = Annotated[
    str | None,
    typer.Option(
        "--vad",
        help="Silero's graph for requests with asr_vad: a file, or auto for that of the installed "
        "package.",
    ),
]
Lm = Annotated[
    Path | None,
    typer.Option(
        "--lm",
        help="An n-gram language model for the search, ARPA (also .gz) or KenLM's binary.",
    ),
]
LmUnits = Annotated[
    LmUnitsName,
    typer.Option("--lm-units", help="Of what it is a model; auto: as its vocabulary shows."),
]
HotwordsFile = Annotated[
    Path | None,
    typer.Option(
        "--hotwords",
        help="Phrases that every request gets: a line each with an optional :score, or YAML.",
    ),
]
RunnerOption = Annotated[
    Runner,
    typer.Option("--runner", help="Who runs the encoder: the pipeline itself, or Triton (bls)."),
]
Instances = Annotated[
    int | None,
    typer.Option(
        "--instances",
        min=2,
        help="Instances of each model; by default one a core, but two at least.",
    ),
]
# What it is made for.
TargetOption = Annotated[
    Target, typer.Option("--target", help="Where the graphs run; gpu: by ONNX Runtime's CUDA.")
]
BackendOption = Annotated[
    Backend,
    typer.Option(
        "--backend",
        help="What runs the encoder; tensorrt: a plan that is built now, on this GPU, for it.",
    ),
]
Gpus = Annotated[
    list[int] | None,
    typer.Option("--gpus", min=0, help="A GPU to serve on, by index; all by default."),
]
CudaGraphs = Annotated[
    bool,
    typer.Option("--cuda-graphs", help="Of a plan: launch its kernels as one, for fixed shapes."),
]
BucketSeconds = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Pad audio to multiples of it, so that shapes repeat; 0: not.",
        show_default="2 on a GPU",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an edited config.pbtxt.")]
# How it is checked.
ParityAudio = Annotated[
    Path | None,
    typer.Option(
        "--parity-audio", help="A 16-bit wav, or a folder of them, to compare the graphs on."
    ),
]
WerSet = Annotated[
    Path | None,
    typer.Option(
        "--wer-set",
        help="A folder with wav.scp and trans.txt or text: write a reduced model only if it "
        "hears this about as well as the fp32 one.",
    ),
]
MaxWerRise = Annotated[
    float | None,
    typer.Option(
        "--max-wer-rise",
        min=0,
        help="Points of WER that the reduced model may lose.",
        show_default="0.5",
    ),
]
