"""The three ports of a tritonserver."""

import contextlib
import secrets
import socket
from dataclasses import astuple, dataclass

# Below Linux' ephemeral ports (32768 and above), so that no outgoing connection of another
# process takes the port between our look and Triton's bind.
FIRST, LAST = 20000, 32000


@dataclass(frozen=True)
class Ports:
    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002


def free_ports(host: str = "127.0.0.1") -> Ports:
    """Three neighbouring ports that nobody listens on."""
    while True:
        first = FIRST + secrets.randbelow(LAST - FIRST)
        ports = Ports(first, first + 1, first + 2)
        if all(is_free(host, port) for port in astuple(ports)):
            return ports


def is_free(host: str, port: int) -> bool:
    with contextlib.closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True
