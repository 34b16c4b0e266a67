"""How fast the encoder alone is: ready features, no server, in as many processes as it likes.

The most that any server of this checkpoint could do on this machine; `auricle bench` divides by it.
"""

import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import onnxruntime

from auricle.errors import CheckpointError

FRAME_SHIFT_S = 0.01
LOG_OF_SILENCE = -23.02585  # log(1e-10), as icefall pads features
WARM_UP = 3  # batches
PATIENCE_S = 600.0  # for one pass over the features

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Arrangement:
    """So many processes of so many threads each, so many utterances in one run of the encoder."""

    processes: int
    threads: int
    batch: int


@dataclass(frozen=True)
class Ceiling:
    """Seconds of audio per second, of each pass over the features."""

    arrangement: Arrangement
    throughputs: list[float]

    @property
    def throughput(self) -> float:
        return median(self.throughputs)


@dataclass(frozen=True)
class Batch:
    """Features [N, T, F], and the frames of each that count."""

    x: Floats
    x_lens: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Team:
    """What the processes share: the next batch to take, and the start and end of each pass."""

    next_batch: "Synchronized[int]"
    barrier: Barrier
    passes: int


class Gauge:
    """Measures again and again: every arrangement the first time, then only the best of them."""

    def __init__(self, encoder: Path, features: Sequence[Floats], cores: int) -> None:
        self.encoder = encoder
        self.features = features
        self.ceilings: list[Ceiling] = []
        self._candidates = arrangements(cores)

    def __call__(self) -> float:
        """Seconds of audio per second of the best one; all are in `ceilings`."""
        found = [measure(self.encoder, self.features, each) for each in self._candidates]
        best = max(found, key=lambda ceiling: ceiling.throughput)
        self.ceilings += found
        self._candidates = [best.arrangement]
        return best.throughput


def arrangements(cores: int) -> list[Arrangement]:
    """One process with a thread for each core, or a process for each; batches of 1, 2 and 4."""
    shapes = dict.fromkeys([(1, cores), (cores, 1)])
    return [Arrangement(*shape, batch) for shape in shapes for batch in (1, 2, 4)]


def measure(
    encoder: Path, features: Sequence[Floats], arrangement: Arrangement, passes: int = 3
) -> Ceiling:
    """Run the encoder over all features, `passes` times after a warm-up.

    features: float32 [T, F] of each utterance.  Raises CheckpointError where the encoder fails.
    """
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit ONNX Runtime's threads
    barrier = spawn.Barrier(arrangement.processes + 1, timeout=PATIENCE_S)
    team = _Team(spawn.Value("i"), barrier, passes)
    batches = stack(features, arrangement.batch)
    workers = [
        spawn.Process(target=_work, args=(encoder, batches, arrangement.threads, team))
        for _ in range(arrangement.processes)
    ]
    for worker in workers:
        worker.start()
    try:
        walls = [_time_pass(team) for _ in range(passes)]
    except threading.BrokenBarrierError:
        raise CheckpointError(
            f"{encoder} did not run on features of shape {batches[0].x.shape}; its error is above"
        ) from None
    finally:
        for worker in workers:
            worker.join()
    seconds = sum(map(len, features)) * FRAME_SHIFT_S
    return Ceiling(arrangement, [seconds / wall for wall in walls])


def stack(features: Sequence[Floats], size: int) -> list[Batch]:
    """Batches of like lengths, the longest first: with them last, one core would work alone."""
    ranked = sorted(features, key=len, reverse=True)
    groups = [ranked[start : start + size] for start in range(0, len(ranked), size)]
    return [_pad(group) for group in groups]


def _pad(group: Sequence[Floats]) -> Batch:
    lens = np.array([len(each) for each in group], np.int64)
    x = np.full((len(group), lens.max(), group[0].shape[1]), LOG_OF_SILENCE, np.float32)
    for row, each in zip(x, group, strict=True):
        row[: len(each)] = each
    return Batch(x, lens)


def _time_pass(team: _Team) -> float:
    team.next_batch.value = 0
    team.barrier.wait()
    start = time.perf_counter()
    team.barrier.wait()
    return time.perf_counter() - start


def _work(encoder: Path, batches: Sequence[Batch], threads: int, team: _Team) -> None:
    """The life of one process."""
    try:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(encoder, options, providers=["CPUExecutionProvider"])
        for batch in batches[:WARM_UP]:
            _encode(session, batch)
        for _ in range(team.passes):
            team.barrier.wait()
            while (index := _take(team.next_batch)) < len(batches):
                _encode(session, batches[index])
            team.barrier.wait()
    except BaseException:
        team.barrier.abort()  # or the others would wait for this one
        raise


def _take(counter: "Synchronized[int]") -> int:
    with counter.get_lock():
        counter.value += 1
        return counter.value - 1


def _encode(session: onnxruntime.InferenceSession, batch: Batch) -> None:
    x, x_lens = session.get_inputs()
    lens = batch.x_lens.astype(np.int32 if x_lens.type == "tensor(int32)" else np.int64)
    session.run(None, {x.name: batch.x, x_lens.name: lens})
