"""Certificates for the tests of TLS."""

from dataclasses import dataclass
from pathlib import Path

import trustme

NAMES = ("localhost", "127.0.0.1", "server")


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


class Authority:
    """Signs certificates into a folder of its own, which it makes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(self.certificate))

    def sign(self, name: str) -> Pair:
        """<folder>/<name>.crt and .key, for any of NAMES."""
        signed = self._authority.issue_cert(*NAMES, common_name=name)
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        signed.private_key_pem.write_to_path(str(pair.key))
        signed.cert_chain_pems[0].write_to_path(str(pair.certificate))
        return pair
