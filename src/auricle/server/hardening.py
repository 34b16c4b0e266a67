"""The flags by which a tritonserver gives nothing away, after Triton's own deployment guide."""

from auricle import access
from auricle.server.options import Options

CHANGES = ("shared-memory", "model-repository", "trace", "logging")
READS = ("statistics", "model-config")


def needed_flags(options: Options) -> dict[str, str]:
    """By name; those that no server may do without."""
    groups = ",".join(CHANGES + (READS if options.restricts_reads else ()))
    guard = f"{groups}:{access.HTTP_HEADER}={access.find_key()}"
    return {"http-restricted-api": guard, "grpc-restricted-protocol": guard}


def wished_flags(options: Options) -> dict[str, str]:
    """By name; those that an older Triton may not know, most of them its defaults."""
    return {
        "model-control-mode": "none",
        "strict-readiness": "true",
        "exit-on-error": "true",
        "allow-sagemaker": "false",
        "allow-vertex-ai": "false",
        "trace-config": "level=off",
        "http-max-input-size": str(options.max_request_mb << 20),
    }
