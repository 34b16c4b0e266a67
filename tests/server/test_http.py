import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from auricle.errors import UnreachableError
from auricle.server.http import Answer, Endpoint, decode, parse_url
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


@pytest.fixture
def grpc_port() -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None)


@contextmanager
def answering(said: bytes) -> Iterator[int]:
    """The port of somebody who says the same to everyone, once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_the_grpc_port_is_recognised(grpc_port: int) -> None:
    with pytest.raises(UnreachableError) as raised:
        Endpoint("127.0.0.1", grpc_port).get("/v2/health/ready")
    message = str(raised.value)
    assert "looks like the gRPC port: HTTP's is 8000 by default" in message
    assert message.isprintable()


@pytest.mark.parametrize("said", [b"", b"\0\0\r\n", b"HTTP/1.1 \x1b[31m\r\n\r\n", b"SSH-2.0\r\n"])
def test_nothing_unprintable_is_said_of_what_is_no_http(said: bytes) -> None:
    with answering(said) as port, pytest.raises(UnreachableError) as raised:
        Endpoint("127.0.0.1", port).get("/v2/health/ready")
    assert str(raised.value).isprintable()


def test_an_error_of_control_characters_shows_their_escapes() -> None:
    assert Answer(500, decode(b"no\x1b[31m\0\nway")).error == "no\\x1b[31m\\x00\nway"
