"""The flags by which a tritonserver gives nothing away, after Triton's own deployment guide."""

import ssl

from auricle import access
from auricle.errors import ServerError
from auricle.server.options import Options, Tls

CHANGES = ("shared-memory", "model-repository", "trace", "logging")
READS = ("statistics", "model-config")


def needed_flags(options: Options) -> dict[str, str]:
    """By name; those that no server may do without."""
    groups = ",".join(CHANGES + (READS if options.restricts_reads else ()))
    guard = f"{groups}:{access.HTTP_HEADER}={access.find_key()}"
    return {
        "http-restricted-api": guard,
        "grpc-restricted-protocol": guard,
        "model-control-mode": "none" if options.loads is None else "explicit",
        **(tls_flags(options.tls) if options.tls else {}),
    }


def tls_flags(tls: Tls) -> dict[str, str]:
    files = {"grpc-server-cert": str(tls.certificate), "grpc-server-key": str(tls.key)}
    if tls.client_ca is None:
        return {"grpc-use-ssl": "true", **files}
    return {"grpc-use-ssl-mutual": "true", "grpc-root-cert": str(tls.client_ca), **files}


def check_tls(tls: Tls) -> None:
    """ServerError if Triton could not use the files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        raise ServerError(
            f"{tls.certificate} and {tls.key} are no certificate and its private key "
            f"({error.strerror or error}); give PEM files of one pair"
        ) from error
    if tls.client_ca:
        try:
            context.load_verify_locations(tls.client_ca)
        except OSError as error:
            raise ServerError(
                f"{tls.client_ca} holds no certificate ({error.strerror or error}); give a PEM file"
            ) from error


def wished_flags(options: Options) -> dict[str, str]:
    """By name; those that an older Triton may not know, most of them its defaults."""
    return {
        # Where models come and go, one that loads or failed to is no reason to send nobody here.
        "strict-readiness": "true" if options.loads is None else "false",
        "exit-on-error": "true",
        "allow-sagemaker": "false",
        "allow-vertex-ai": "false",
        "trace-config": "level=off",
        "http-max-input-size": str(options.max_request_mb << 20),
    }
