"""Ask a tritonserver over plain HTTP: KServe v2 with JSON bodies."""

import http.client
import json
from dataclasses import dataclass

from auricle.errors import UnreachableError


@dataclass(frozen=True)
class Answer:
    """status: the HTTP code.  body: the decoded JSON, empty where there was none."""

    status: int
    body: dict[str, object]


@dataclass(frozen=True)
class Endpoint:
    host: str
    port: int
    timeout_s: float = 10.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: dict[str, object]) -> Answer:
        return self.send("POST", path, json.dumps(body))

    def send(self, method: str, path: str, body: str | None = None) -> Answer:
        """UnreachableError if nobody answers there."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return Answer(response.status, decode(response.read()))
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(
                f"no server answers at http://{self} ({error}); start one with `auricle serve`"
            ) from error
        finally:
            connection.close()


def decode(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {"items": value}
