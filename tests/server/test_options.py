import pytest

from auricle.server import Options


@pytest.mark.parametrize(
    ("host", "local"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("10.1.2.3",) * 2]
)
def test_our_own_requests_reach_a_server_wherever_it_listens(host: str, local: str) -> None:
    assert Options([], host=host).local_host == local
