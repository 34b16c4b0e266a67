"""Requests without a pause by threads of their own, while a test does something to the server."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from auricle.errors import AuricleError


@dataclass
class Load:
    """What came of it so far."""

    texts: list[str] = field(default_factory=list)
    errors: list[AuricleError] = field(default_factory=list)


@contextmanager
def constant_load(ask: Callable[[], str], num_threads: int) -> Iterator[Load]:
    """`ask` over and over in each thread until the block ends."""
    load, ends = Load(), threading.Event()

    def keep_asking() -> None:
        while not ends.is_set():
            try:
                load.texts.append(ask())
            except AuricleError as error:
                load.errors.append(error)

    threads = [threading.Thread(target=keep_asking) for _ in range(num_threads)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        ends.set()
        for thread in threads:
            thread.join()
