"""auricle sanitize: an ONNX graph with everything folded that is known before it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from onnx import ModelProto

    from auricle.build.export.graph import Graph


def run(
    graph: Annotated[Path, typer.Argument(help="An ONNX file.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the folded one.")],
) -> None:
    """Fold constants and decided branches of a graph; its ports and dynamic axes stay."""
    import onnx

    from auricle.build.export.folding import count, fold
    from auricle.build.export.graph import load_graph

    original = load_graph(graph)
    model = onnx.ModelProto()
    model.CopyFrom(original.model)
    fold(model)
    typer.echo(f"before    {count(original.model)}")
    typer.echo(f"after     {count(model)}")
    typer.echo(f"parity    {_compare(original, model)}")
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    onnx.checker.check_model(model)
    onnx.save(model, out)
    typer.echo(f"written   {out}")


def _compare(original: "Graph", model: "ModelProto") -> str:
    """On random inputs, two rows of two sizes; ParityError where the folded graph strays."""
    from auricle.build.export.parity import say_difference
    from auricle.build.export.resemblance import largest_of, random_inputs
    from auricle.errors import CheckpointError, ParityError

    try:
        difference = largest_of(original, model, random_inputs(original))
    except CheckpointError as error:
        return f"not checked, random inputs do not fit the graph: {str(error)[:90]}"
    if not difference <= 1e-3:
        raise ParityError(f"the folded graph strays by {difference:.2g}; nothing was written")
    return f"to the original on random inputs: {say_difference(difference)}"
