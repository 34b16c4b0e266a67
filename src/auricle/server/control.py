"""The models of a running server: which there are, and in or out of its memory."""

import re
import time
from dataclasses import dataclass
from typing import TypedDict, cast

from auricle import errors
from auricle.errors import AuricleError, RepositoryError, ServerError, UnknownModelError
from auricle.server import log, repository
from auricle.server.http import Answer, Endpoint, Json
from auricle.spec import encoder_of

READY = "READY"
GONE = ("", "UNAVAILABLE")  # never loaded, and unloaded
NOT_ALLOWED = "load / unload is not allowed"  # Triton's words without model control
# Python's error in a model's initialize, as its stub reports it: kind, text, then the frames.
PYTHON_ERROR = re.compile(r"Internal: (?P<kind>\w+): (?P<text>.*?)\s*\n\s*At:\s*\n", re.DOTALL)
POLL_S = 0.1


class Parameter(TypedDict):
    string_value: str


class Config(TypedDict, total=False):
    """The part of a loaded model's configuration that says what else it calls."""

    parameters: dict[str, Parameter]


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
    """Load a model, or renew it, after the encoder that it calls; the names of both.

    RepositoryError, and nothing stays loaded, if there is no such encoder: Triton tells what a
    model calls only when it is there.
    """
    names = [each for each in (encoder_of(name), name) if each in known(endpoint, name)]
    for each in names:
        ask(endpoint, each, "load", {})
    if encoder_of(name) not in names and calls_encoder(endpoint, name):
        unload(endpoint, name)
        raise RepositoryError(repository.lacks_encoder(name, "its config.pbtxt"))
    return names


def calls_encoder(endpoint: Endpoint, name: str) -> bool:
    config = cast("Config", endpoint.get(f"/v2/models/{name}/config").body)
    return config.get("parameters", {}).get("runner") == {"string_value": "bls"}


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
    if sentence := our_sentence(answer.error):
        return f"{failed}: {sentence}"
    cause = log.probable_cause(answer.error)
    return f"{failed}: {answer.error}" + (f"\nprobably: {cause}" if cause else "")


def our_sentence(error: str) -> str | None:
    """What an error of ours says, without the frames that raised it; None if it is another's."""
    match = PYTHON_ERROR.search(error)
    kind = getattr(errors, match["kind"], None) if match else None
    is_ours = isinstance(kind, type) and issubclass(kind, AuricleError)
    return match["text"] if match and is_ours else None


def wait_until_gone(endpoint: Endpoint, name: str) -> None:
    deadline = time.monotonic() + endpoint.timeout_s
    while any(m.state not in GONE for m in list_models(endpoint) if m.name == name):
        if time.monotonic() > deadline:
            raise ServerError(
                f"{name!r} still has requests under way after {endpoint.timeout_s:g} s; it will "
                "be unloaded after the last one"
            )
        time.sleep(POLL_S)
