"""Whether a server transcribes: its readiness, and a tiny inference by each pipeline model.

Triton can be ready with a dead Python process, so readiness alone proves little.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict, cast

from auricle import wire
from auricle.errors import ServerError, UnreachableError
from auricle.server import control
from auricle.server.http import Endpoint, Json

SILENCE: list[Json] = [0.0] * 1600  # 0.1 s at 16 kHz
BUSY = 503  # Triton's UNAVAILABLE: its queue is full
SEQUENCE_ID = 1 << 48  # no client counts up to it


class Named(TypedDict):
    name: str


class Group(TypedDict):
    count: int


class Config(TypedDict):
    """The part of Triton's model configuration, as JSON, that a probe needs."""

    name: str
    max_batch_size: int
    input: list[Named]
    output: list[Named]
    instance_group: list[Group]


@dataclass(frozen=True)
class Probe:
    """What a model made of silence. seconds: all its instances. error: None where it went well."""

    model: str
    seconds: float
    error: str | None


def probe_models(endpoint: Endpoint) -> list[Probe]:
    """A probe of each model that takes waveforms; ServerError if the server is not ready."""
    if not endpoint.get("/v2/health/ready").is_ok:
        raise ServerError(
            f"the server at {endpoint} answers but is not ready: a model is loading, or the server "
            "is stopping; its log says which"
        )
    return [probe(endpoint, config) for config in read_configs(endpoint) if is_pipeline(config)]


def read_configs(endpoint: Endpoint) -> Iterator[Config]:
    for name in control.ready_names(endpoint):
        yield cast("Config", endpoint.get(f"/v2/models/{name}/config").body)


def is_pipeline(config: Config) -> bool:
    """Waveforms in, transcripts out; a graph beside it, <model>__encoder, has no transcripts."""
    outputs = {tensor["name"] for tensor in config["output"]}
    return wire.WAV.name in {tensor["name"] for tensor in config["input"]} and (
        wire.TRANSCRIPTS.name in outputs
    )


def probe(endpoint: Endpoint, config: Config) -> Probe:
    """One request an instance: on an idle server Triton gives them to its instances in turn."""
    started = time.monotonic()
    num_instances = sum(group["count"] for group in config["instance_group"])
    answers = (infer_silence(endpoint, config) for _ in range(num_instances))
    error = next((error for error in answers if error), None)
    return Probe(config["name"], time.monotonic() - started, error)


def infer_silence(endpoint: Endpoint, config: Config) -> str | None:
    """None if the model answers well, or is so busy that it refuses more; else the error."""
    shape: list[Json] = [1, len(SILENCE)] if config["max_batch_size"] else [len(SILENCE)]
    request: dict[str, Json] = {
        "inputs": [{"name": wire.WAV.name, "datatype": "FP32", "shape": shape, "data": SILENCE}],
        "outputs": [{"name": wire.TRANSCRIPTS.name}],
    }
    if "sequence_batching" in config:
        request["parameters"] = {
            "sequence_id": SEQUENCE_ID, "sequence_start": True, "sequence_end": True,
        }  # fmt: skip
    try:
        answer = endpoint.post(f"/v2/models/{config['name']}/infer", request)
    except UnreachableError:
        return f"no answer within {endpoint.timeout_s:g} s"
    if answer.is_ok or answer.status == BUSY:
        return None
    return answer.error
