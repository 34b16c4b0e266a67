"""A Triton request of a sequence to a chunk of a stream, or a sentence that says why not."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import triton_python_backend_utils as pb_utils

from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.requests import (
    Limits,
    check_waited_for,
    cut,
    read_parameters,
    read_rows,
)
from auricle.serve.backend.sessions import Place
from auricle.serve.backend.stream_parameters import ChunkOptions, StreamMenu
from auricle.serve.stream import Chunk


def read_place(request: pb_utils.InferenceRequest) -> Place:
    flags = request.flags()
    return Place(
        request.correlation_id(),
        is_first=bool(flags & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START),
        is_last=bool(flags & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END),
    )


def unpack(
    request: pb_utils.InferenceRequest, place: Place, limits: Limits, menu: StreamMenu
) -> tuple[Chunk, ChunkOptions]:
    """The chunk of a request, and what it asks for its stream.

    UnfitRequestError if it cannot be served, CancelledRequestError if nobody waits.
    """
    check_waited_for(request)
    rows = read_rows(request)
    if len(rows) != 1:
        raise UnfitRequestError(
            "lengths", f"a chunk of a stream has 1 row, but WAV has {len(rows)}"
        )
    options = menu.read(read_parameters(request), is_first=place.is_first)
    ((row, length),) = rows
    return Chunk(cut(row, length, limits), place.is_last, options.finalizes), options
