"""One timed run: load on a server, watched from outside."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from auricle.client.bench import machine
from auricle.client.bench.load import Answer, Load, Sender, drive


@dataclass(frozen=True)
class Counters:
    """Triton's totals for one model since it was loaded, nanoseconds and counts.

    compute_ns: an execution counts for each of its requests.  busy_ns: it counts once.
    """

    requests: int = 0
    failures: int = 0
    inferences: int = 0
    executions: int = 0
    queue_ns: int = 0
    compute_ns: int = 0
    busy_ns: int = 0

    def since(self, before: "Counters") -> "Counters":
        return Counters(*(getattr(self, name) - getattr(before, name) for name in vars(self)))


@dataclass(frozen=True)
class Run:
    """client_cpu_s: processor time of this process.  server: its usage over time, if it is local.

    counters: what Triton counted meanwhile, by model; of another server there are none.
    """

    load: str
    wall_s: float
    client_cpu_s: float
    answers: list[Answer]
    server: list[machine.Usage]
    counters: Mapping[str, Counters] = field(default_factory=dict)


async def run(send: Sender, order: Sequence[int], load: Load, server_pid: int | None = None) -> Run:
    async with machine.watched(server_pid) as server:
        start, cpu = time.perf_counter(), time.process_time()
        answers = await drive(send, order, load)
        wall_s, client_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    return Run(str(load), wall_s, client_cpu_s, answers, server)
