"""The options of auricle stream that auricle transcribe does not have."""

from typing import Annotated

import typer

NumTasks = Annotated[int, typer.Option("--num-tasks", min=1, help="Streams at a time.")]
ChunkMs = Annotated[float, typer.Option("--chunk-ms", min=0.0625, help="Audio in each request.")]
Simulate = Annotated[
    bool,
    typer.Option("--simulate-streaming", "--real-time", help="Send files as if they were spoken."),
]
Partials = Annotated[
    bool | None,
    typer.Option(
        "--partials/--no-partials",
        help="Show the text as it grows, on stderr.",
        show_default="for a single stream, or on a terminal",
    ),
]
