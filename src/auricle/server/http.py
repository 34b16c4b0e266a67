"""Ask a tritonserver over plain HTTP: KServe v2 with JSON bodies."""

import http.client
import json
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from auricle.errors import ServerError, UnreachableError

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
        return str(said or f"status {self.status}")


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int
    timeout_s: float = 10.0

    def __str__(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: Json) -> Answer:
        return self.send("POST", path, json.dumps(body))

    def send(self, method: str, path: str, body: str | None = None) -> Answer:
        """UnreachableError if nobody answers there in time."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return Answer(response.status, decode(response.read()))
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"no server answers at {self} ({error}); start one with `auricle serve`"
            ) from error
        finally:
            connection.close()


def parse_url(url: str, timeout_s: float) -> Endpoint:
    """http://host:port, or host:port; 8000 is the default port."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname, parts.port or 8000
    except ValueError as error:
        raise ServerError(f"{url!r} is not a URL of a server: {error}") from error
    if host is None or parts.scheme not in ("", "http"):
        raise ServerError(f"{url!r} is not a URL of a server; expected http://HOST:PORT")
    return Endpoint(host, port, timeout_s)


def decode(body: bytes) -> Json:
    try:
        value: Json = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace") or None
    return value
