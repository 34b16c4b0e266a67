"""The three ports of a tritonserver: chosen, or found free."""

import secrets
import socket
from dataclasses import asdict, astuple, dataclass

from auricle.errors import ServerError

LOOPBACK = "127.0.0.1"
# Below Linux' ephemeral ports (32768 and above), so that no outgoing connection of another
# process takes the port between our look and Triton's bind.
FIRST, LAST = 20000, 32000


@dataclass(frozen=True)
class Ports:
    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002


def free_ports(host: str = LOOPBACK) -> Ports:
    """Three neighbouring ports that nobody listens on."""
    while True:
        first = FIRST + secrets.randbelow(LAST - FIRST)
        ports = Ports(first, first + 1, first + 2)
        if all(refusal(host, port) is None for port in astuple(ports)):
            return ports


def check_ports(host: str, ports: Ports) -> None:
    """ServerError if Triton could not listen on one of them."""
    if len(set(astuple(ports))) < 3:
        raise ServerError(f"the three ports must differ, got {ports}")
    for protocol, port in asdict(ports).items():
        reason = refusal(host, port)
        if reason:
            raise ServerError(
                f"cannot listen on {host}:{port} for {protocol} ({reason}); "
                f"stop what listens there, or choose another port with --{protocol}-port"
            )


def refusal(host: str, port: int) -> str | None:
    """Why nobody can listen there now; None if one can."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:  # OverflowError: not in 0..65535
            return getattr(error, "strerror", None) or str(error)
    return None
