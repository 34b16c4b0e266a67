"""The models of a running server: which there are, and in or out of its memory."""

import time
from dataclasses import dataclass
from typing import TypedDict, cast

from auricle.errors import ServerError, UnknownModelError
from auricle.server import log
from auricle.server.http import Answer, Endpoint, Json
from auricle.spec import encoder_of

READY = "READY"
GONE = ("", "UNAVAILABLE")  # never loaded, and unloaded
NOT_ALLOWED = "load / unload is not allowed"  # Triton's words without model control
POLL_S = 0.1


class Entry(TypedDict, total=False):
    """A line of Triton's index; a model that was never loaded has its name alone."""

    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True)
class Model:
    """A version of a model.  state: READY, LOADING, UNLOADING, UNAVAILABLE or empty."""

    name: str
    version: str
    state: str
    reason: str


def list_models(endpoint: Endpoint) -> list[Model]:
    """All in the server's repositories, by name."""
    index = endpoint.post("/v2/repository/index", {})
    if not index.is_ok:
        raise ServerError(f"the server at {endpoint} does not list its models: {index.error}")
    fields = ("name", "version", "state", "reason")
    entries = cast("list[Entry]", index.body)
    models = [Model(*(str(entry.get(field, "")) for field in fields)) for entry in entries]
    return sorted(models, key=lambda model: (model.name, model.version))


def ready_names(endpoint: Endpoint) -> list[str]:
    return [model.name for model in list_models(endpoint) if model.state == READY]


def load(endpoint: Endpoint, name: str) -> list[str]:
    """Load a model, or renew it, after the encoder that it calls; the names of both."""
    names = [each for each in (encoder_of(name), name) if each in known(endpoint, name)]
    for each in names:
        ask(endpoint, each, "load", {})
    return names


def unload(endpoint: Endpoint, name: str) -> list[str]:
    """Unload a model, then the encoder that it calls, and wait until both are gone.

    What is under way ends well; what comes later is refused.
    """
    names = [each for each in (name, encoder_of(name)) if each in known(endpoint, name)]
    for each in names:
        ask(endpoint, each, "unload", {})
        wait_until_gone(endpoint, each)
    return names


def known(endpoint: Endpoint, name: str) -> set[str]:
    """The names that there are; UnknownModelError if the one asked for is not among them."""
    names = {model.name for model in list_models(endpoint)}
    if name not in names:
        raise UnknownModelError(
            f"unknown model {name!r}; the repositories of the server at {endpoint} have: "
            f"{', '.join(sorted(names)) or 'none'}"
        )
    return names


def ask(endpoint: Endpoint, name: str, action: str, body: Json) -> None:
    answer = endpoint.post(f"/v2/repository/models/{name}/{action}", body)
    if not answer.is_ok:
        raise ServerError(why(answer, f"the server at {endpoint} did not {action} {name!r}"))


def why(answer: Answer, failed: str) -> str:
    if NOT_ALLOWED in answer.error:
        return f"{failed}, whose models are fixed; `auricle serve --model-control explicit` is free"
    cause = log.probable_cause(answer.error)
    return f"{failed}: {answer.error}" + (f"\nprobably: {cause}" if cause else "")


def wait_until_gone(endpoint: Endpoint, name: str) -> None:
    deadline = time.monotonic() + endpoint.timeout_s
    while any(m.state not in GONE for m in list_models(endpoint) if m.name == name):
        if time.monotonic() > deadline:
            raise ServerError(
                f"{name!r} still has requests under way after {endpoint.timeout_s:g} s; it will "
                "be unloaded after the last one"
            )
        time.sleep(POLL_S)
