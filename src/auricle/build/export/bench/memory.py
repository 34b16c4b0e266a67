"""A bound of this process's memory, so that what does not fit fails, and is not killed."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROC = Path("/proc")


@contextmanager
def limited_memory(*, applies: bool = True) -> Iterator[None]:
    """Allocations beyond what is free now raise MemoryError, or ONNX Runtime's own error.

    Not for CUDA, which reserves far more addresses than it uses.
    """
    free = free_bytes() if applies else None
    if free is None:
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int((PROC / "self" / "statm").read_text().split()[0])
    wanted = pages * resource.getpagesize() + free
    known = [limit for limit in (before, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *known]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


def free_bytes() -> int | None:
    """What the kernel could give without swapping; None where it does not say."""
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
    except OSError:
        return None
    sizes = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((1024 * int(size) for size in sizes), None)
