"""Inference by JSON over HTTP, as plain values."""

from dataclasses import dataclass, field

from auricle.server import Server
from auricle.server.http import Endpoint, Json


@dataclass(frozen=True)
class Reply:
    """outputs: flat values by name.  shapes: likewise.  error: empty where the status is 200."""

    status: int
    error: str = ""
    outputs: dict[str, list[float]] = field(default_factory=dict)
    shapes: dict[str, list[int]] = field(default_factory=dict)


def tensor(name: str, datatype: str, shape: list[Json], data: list[Json]) -> Json:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def audio(rows: list[list[Json]], lens: list[Json]) -> list[Json]:
    """WAV [N, L] and WAV_LENS [N, 1]."""
    samples = [sample for row in rows for sample in row]
    return [
        tensor("WAV", "FP32", [len(rows), len(rows[0])], samples),
        tensor("WAV_LENS", "INT32", [len(lens), 1], lens),
    ]


def infer(
    server: Server, model: str, inputs: list[Json], outputs: list[str] | None = None
) -> Reply:
    """outputs: the names to ask for; None asks for all."""
    request: dict[str, Json] = {"inputs": inputs}
    if outputs is not None:
        request["outputs"] = [{"name": name} for name in outputs]
    endpoint = Endpoint(server.options.host, server.options.ports.http, timeout_s=30)
    answer = endpoint.post(f"/v2/models/{model}/infer", request)
    body = answer.body
    assert isinstance(body, dict)
    if not answer.is_ok:
        return Reply(answer.status, str(body["error"]))
    return Reply(
        answer.status,
        outputs={one["name"]: one["data"] for one in body["outputs"]},  # type: ignore
        shapes={one["name"]: one["shape"] for one in body["outputs"]},  # type: ignore
    )
