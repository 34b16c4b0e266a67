"""The options by which a TensorRT plan is built, of `auricle tensorrt` and `auricle build`."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from auricle.build.tensorrt.shapes import Range


class Hardware(str, Enum):
    none = "none"
    ampere = "ampere+"
    same = "sameComputeCapability"


TritonTag = Annotated[
    str,
    typer.Option(envvar="TRITON_TAG", help="Of nvcr.io/nvidia/tritonserver:TAG-py3: what serves."),
]
Local = Annotated[
    bool,
    typer.Option("--local", help="Run this machine's trtexec; inside the image, by itself."),
]
Gpu = Annotated[str, typer.Option(envvar="AURICLE_GPU", help="Index or UUID of one GPU.")]
Workspace = Annotated[
    str | None, typer.Option(help="Scratch memory of a layer, such as 4G; all by default.")
]
NoTf32 = Annotated[bool, typer.Option("--no-tf32", help="Multiply float32 with all its bits.")]
Level = Annotated[
    int | None,
    typer.Option(min=0, max=5, help="How long to search for kernels; TensorRT's own is 3."),
]
VersionCompatible = Annotated[
    bool, typer.Option("--version-compatible", help="A plan for later TensorRTs, too; slower.")
]
HardwareLevel = Annotated[Hardware, typer.Option(help="A plan for other GPUs, too; slower.")]
Trtexec = Annotated[
    list[str] | None,
    typer.Option("--trtexec", metavar="FLAG", help="A further flag of trtexec, as --trtexec=--x."),
]
Seconds = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MIN,USUAL,MAX", help="Of audio; once more for a further profile of lengths."
    ),
]
Batch = Annotated[str, typer.Option(metavar="MIN,USUAL,MAX", help="Rows of a run.")]
OwnBatch = Annotated[
    str | None,
    typer.Option(
        "--batch", metavar="MIN,USUAL,MAX", help="Rows of a run.", show_default="by family"
    ),
]
Axis = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=MIN,USUAL,MAX", help="Of another axis that is not fixed."),
]
Audio = Annotated[
    Path | None, typer.Option(help="A 16-bit wav, or a folder of them, to compare the plan on.")
]
NoCompare = Annotated[
    bool, typer.Option("--no-compare", help="Keep the plan without comparing it with its graph.")
]
Verbose = Annotated[bool, typer.Option(help="trtexec's whole log to stderr.")]
Output = Annotated[Path, typer.Option("--output", help="The plan; plan.json goes beside it.")]


def three_numbers(text: str, option: str) -> tuple[float, float, float]:
    try:
        smallest, usual, largest = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"give three numbers, such as 1,8,64, not {text!r}", param_hint=option
        ) from error
    return smallest, usual, largest


def three_sizes(text: str, option: str) -> "Range":
    smallest, usual, largest = map(int, three_numbers(text, option))
    return smallest, usual, largest


def named_sizes(given: list[str] | None) -> "dict[str, Range]":
    pairs = (text.partition("=") for text in given or [])
    return {name: three_sizes(numbers, "--axis") for name, _, numbers in pairs}
