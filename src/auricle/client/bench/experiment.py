"""The whole benchmark of one served model: truth first, then every load, as often as asked."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from auricle.client.bench import triton, workload
from auricle.client.bench.load import Load
from auricle.client.bench.record import Measured
from auricle.client.bench.report import Truth, summarise
from auricle.errors import ManifestError


@dataclass(frozen=True)
class Plan:
    """requests: of each run; None sends every waveform once.  repeats: of the list of loads.

    server_pid: whose time and memory to watch.
    """

    waveforms: workload.Waveforms
    sample_rate: int
    loads: Sequence[Load]
    requests: int | None = None
    repeats: int = 1
    seed: int = 1
    server_pid: int | None = None


async def find_truth(
    target: triton.Target, plan: Plan, expected: Mapping[str, str] | None = None
) -> Truth:
    """What the server says to each waveform alone, or else what is expected; its warm-up, too.

    Any failure ends it; a waveform without an expected transcript is a ManifestError.
    """
    missing = sorted(set(plan.waveforms) - set(expected)) if expected is not None else []
    if missing:
        raise ManifestError(f"no transcript is given for {len(missing)}, such as {missing[0]!r}")
    waveforms = list(plan.waveforms.values())
    target.prepare(waveforms, plan.sample_rate)
    answers = [await target(index) for index in range(len(waveforms))]
    if expected is not None:
        answers = [expected[name] for name in plan.waveforms]
    return Truth(
        list(plan.waveforms), [len(each) / plan.sample_rate for each in waveforms], answers
    )


async def measure(
    target: triton.Target, plan: Plan, truth: Truth, ceiling: Callable[[], float] | None
) -> AsyncIterator[Measured]:
    """All loads in turn, then all again: what disturbs the machine disturbs none of them alone.

    ceiling: measures the encoder alone, in seconds of audio per second; the server is idle then.
    """
    count = len(plan.waveforms)
    for repeat in range(plan.repeats):
        highest = ceiling() if ceiling else None
        for load in plan.loads:
            order = workload.order(count, plan.requests or count, plan.seed + repeat)
            run = await triton.count_run(target, order, load, plan.server_pid)
            reachable = None if load.rate else highest  # an open loop sets its own throughput
            yield Measured(run, summarise(run, truth, target.model, reachable), highest)
