import socket
from dataclasses import astuple

import pytest

from auricle.errors import ServerError
from auricle.server.ports import FIRST, LAST, LOOPBACK, Ports, check_ports, free_ports


def test_free_ports_can_be_listened_on() -> None:
    ports = free_ports()
    check_ports(LOOPBACK, ports)
    assert all(FIRST <= port < LAST + 2 for port in astuple(ports))


@pytest.mark.parametrize("protocol", ["http", "grpc", "metrics"])
def test_a_port_in_use_names_its_flag(protocol: str) -> None:
    ports = free_ports()
    with (
        socket.create_server((LOOPBACK, getattr(ports, protocol))),
        pytest.raises(
            ServerError, match=rf"for {protocol} \(Address already in use\).*--{protocol}-port"
        ),
    ):
        check_ports(LOOPBACK, ports)


def test_a_port_that_a_server_has_just_left_is_free() -> None:
    ports = free_ports()
    with socket.create_server((LOOPBACK, ports.http)) as listener:
        client = socket.create_connection((LOOPBACK, ports.http))
        accepted, _ = listener.accept()
        accepted.close()  # the side that closes first keeps the port in TIME_WAIT
        client.close()
    check_ports(LOOPBACK, ports)


def test_the_ports_must_differ() -> None:
    with pytest.raises(ServerError, match="must differ"):
        check_ports(LOOPBACK, Ports(8000, 8000, 8002))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServerError, match=r"cannot listen on 192\.0\.2\.1:\d+ for http"):
        check_ports("192.0.2.1", free_ports())


def test_a_number_that_is_no_port_is_refused() -> None:
    with pytest.raises(ServerError, match=r"cannot listen on 127\.0\.0\.1:70000 for grpc"):
        check_ports(LOOPBACK, Ports(free_ports().http, 70000, free_ports().metrics))
