"""Data-parallel training on one machine: one process per core, gradients averaged after every step.

Threads of one process wait for each other at every operation, which on a busy machine costs more
than it gives; processes wait once a step.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor, nn


def average(parameters: Sequence[nn.Parameter], numbers: Sequence[float]) -> list[float]:
    """Replace each gradient by its mean over the processes; a missing one counts as zero.

    Returns the means of the numbers too, so that all processes decide alike.
    """
    if not torch.distributed.is_initialized():
        return list(numbers)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([*(gradient.flatten() for gradient in gradients), torch.tensor(numbers)])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    sizes = [gradient.numel() for gradient in gradients]
    *pieces, means = flat.split([*sizes, len(numbers)])
    for parameter, piece in zip(parameters, pieces, strict=True):
        if parameter.grad is not None:
            parameter.grad = _like(piece, parameter)
    return [float(mean) for mean in means]


def _like(piece: Tensor, parameter: Tensor) -> Tensor:
    return piece.view_as(parameter).clone()


def _enter(rank: int, work: Callable[[int], None], num_processes: int, meeting: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=num_processes
    )
    work(rank)
    torch.distributed.destroy_process_group()


def run(work: Callable[[int], None], num_processes: int) -> None:
    """Call work(rank) in each process; with one process, here."""
    if num_processes == 1:
        work(0)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder, "meeting"))
        torch.multiprocessing.spawn(_enter, (work, num_processes, meeting), num_processes)


def num_processes() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
