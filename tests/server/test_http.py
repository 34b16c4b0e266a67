import pytest

from auricle.errors import UnreachableError
from auricle.server.http import Endpoint, parse_url
from auricle.server.ports import free_ports


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("http://speech.example/", ("speech.example", 8000)),
        ("localhost:9000", ("localhost", 9000)),
        ("localhost", ("localhost", 8000)),
    ],
)
def test_an_address_may_be_short(url: str, address: tuple[str, int]) -> None:
    endpoint = parse_url(url, 1)
    assert (endpoint.host, endpoint.port) == address


@pytest.mark.parametrize("url", ["", ":8000", "https://localhost", "grpc://localhost", "a:b"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"address of a server|Port could not be cast"):
        parse_url(url, 1)


def test_nobody_there_is_an_error_of_its_own() -> None:
    port = free_ports().http
    with pytest.raises(UnreachableError, match=f"http://127.0.0.1:{port}.*`auricle serve`"):
        Endpoint("127.0.0.1", port).get("/v2/health/ready")
