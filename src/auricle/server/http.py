"""Ask a tritonserver over plain HTTP: KServe v2 with JSON bodies."""

import http.client
import json
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from auricle import access
from auricle.errors import UnreachableError

DEFAULT_PORT = 8000

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


@dataclass(frozen=True)
class Answer:
    """status: the HTTP code.  body: the decoded JSON, None where there is none."""

    status: int
    body: Json

    @property
    def is_ok(self) -> bool:
        return self.status == http.client.OK

    @property
    def error(self) -> str:
        """What Triton says of a request that it refuses."""
        said = self.body.get("error") if isinstance(self.body, dict) else self.body
        return printable(str(said or f"status {self.status}"))


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int
    timeout_s: float = 10.0
    key: str | None = None

    def __str__(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: Json) -> Answer:
        return self.send("POST", path, json.dumps(body))

    def send(self, method: str, path: str, body: str | None = None) -> Answer:
        """UnreachableError if nobody answers there in time; AccessError if it wants another key."""
        headers = {access.HTTP_HEADER: self.key} if self.key else {}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = Answer(response.status, decode(response.read()))
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(self._why(error)) from error
        finally:
            connection.close()
        if answer.status == http.client.FORBIDDEN:
            raise access.refusal(str(self), key_was_sent=bool(self.key))
        return answer

    def _why(self, error: Exception) -> str:
        said = str(error).strip()
        if isinstance(error, http.client.BadStatusLine) and not said.isprintable():
            return (
                f"what answers at {self} does not speak HTTP; it looks like the gRPC port: "
                f"HTTP's is {DEFAULT_PORT} by default"
            )
        why = printable(said)
        return f"no server answers at {self} ({why}); start one with `auricle serve`"


def printable(text: str) -> str:
    """What a terminal can be shown: control characters, but for newlines, by their escapes."""
    shown = (
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )
    return "".join(shown)


def parse_url(url: str, timeout_s: float) -> Endpoint:
    """http://HOST:PORT or HOST:PORT, port 8000 where there is none; else ValueError."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    if not parts.hostname or parts.scheme not in ("", "http"):
        raise ValueError(f"{url!r} is no address of a server; expected http://HOST:PORT")
    key = access.key_for(parts.hostname)
    return Endpoint(parts.hostname, parts.port or DEFAULT_PORT, timeout_s, key)


def decode(body: bytes) -> Json:
    try:
        value: Json = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace") or None
    return value
