"""The options of auricle stream that auricle transcribe does not have."""

from typing import Annotated

import typer

Microphone = Annotated[
    bool, typer.Option("--microphone", help="Listen until Ctrl-C; wants auricle[microphone].")
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", help="Its number, or a part of its name.", show_default="the system's"
    ),
]
NumTasks = Annotated[int, typer.Option("--num-tasks", min=1, help="Streams at a time.")]
ChunkMs = Annotated[
    float | None,
    typer.Option("--chunk-ms", min=1, help="Of audio in each request.", show_default="320"),
]
Simulate = Annotated[
    bool, typer.Option("--simulate-streaming", help="Send files as if they were spoken.")
]
SecondPass = Annotated[
    str | None,
    typer.Option(
        "--second-pass", metavar="MODEL", help="An offline model for each finished segment."
    ),
]
Partials = Annotated[
    bool | None,
    typer.Option(
        "--partials/--no-partials",
        help="Show the text as it grows, on stderr.",
        show_default="for a single stream, or on a terminal",
    ),
]
# Known from Triton-ASR-Client and WeNet's client.py.
Streaming = Annotated[bool, typer.Option("--streaming", hidden=True)]
ChunkSize = Annotated[
    int | None,
    typer.Option("--chunk-size", "--chunk_size", min=1, hidden=True),  # frames of the encoder
]
Subsampling = Annotated[int, typer.Option("--subsampling", min=1, hidden=True)]
FrameShiftMs = Annotated[
    float, typer.Option("--frame-shift-ms", "--frame_shift_ms", min=1, hidden=True)
]
Context = Annotated[  # the server knows its own: any chunking gives the same text
    str | None,
    typer.Option(
        "--context", "--encoder-right-context", "--encoder_right_context", "--frame-length-ms",
        "--frame_length_ms", hidden=True,
    ),
]  # fmt: skip

CHUNK_MS = 320.0  # the server holds what is short of its window; text waits for half a chunk


def choose_chunk_ms(
    chunk_ms: float | None, chunk_size: int | None, subsampling: int, frame_shift_ms: float
) -> float:
    """Ours, or else what the other clients' flags make: frames of the encoder."""
    if chunk_ms is not None:
        return chunk_ms
    return CHUNK_MS if chunk_size is None else chunk_size * subsampling * frame_shift_ms
