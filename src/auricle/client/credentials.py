"""What a server wants to see of its clients: the access key, and TLS by PEM files."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from auricle import access
from auricle.errors import AccessError


@dataclass(frozen=True)
class Credentials:
    """Needed for more than inference; by default what `auricle serve` made for this user.

    key: sent with restricted calls alone; None is AURICLE_KEY, or the key of this machine's server.
    ca: those who may sign the server's certificate; None is a connection without TLS.
    certificate, private_key: our own, where the server wants to know its clients.
    """

    key: str | None = None
    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    @property
    def doubt(self) -> str:
        """What these may have to do with it that no server answers."""
        if self.ca is None:
            return "one that speaks TLS answers only with --tls-ca"
        return f"by TLS its certificate must be signed by {self.ca} and name this host"

    def key_for(self, url: str) -> str | None:
        return self.key or access.key_for(url.rpartition(":")[0].strip("[]") or url)

    def tls_context(self) -> ssl.SSLContext | None:
        """Of HTTP, which Triton itself speaks without TLS; a proxy before it may have it."""
        if self.ca is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.private_key)
        except OSError as error:
            files = [str(file) for file in (self.ca, self.certificate, self.private_key) if file]
            raise AccessError(
                f"{', '.join(files)} cannot be used for TLS ({error.strerror or error}); "
                "PEM files are needed, and the key must be that of the certificate"
            ) from error
        return context

    def grpc_channel(self) -> grpc.ChannelCredentials | None:
        if self.tls_context() is None or self.ca is None:
            return None
        pair = [file and file.read_bytes() for file in (self.private_key, self.certificate)]
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), *pair)


OWN = Credentials()
