"""Many utterances through one client: bounded concurrency, an outcome each, failures apart."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeVar

from auricle.client.client import AsyncClient
from auricle.client.manifests import Utterance, fetch
from auricle.client.results import Transcription
from auricle.client.transport import Parameter
from auricle.errors import AuricleError, InvalidRequestError, UnreachableError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Outcome:
    """A transcription, or why there is none."""

    id: str
    transcription: Transcription | None
    error: AuricleError | None = None


@dataclass(frozen=True)
class Load:
    """How hard to drive a server, and what to ask it for.

    num_tasks: requests in flight.  batch_size: utterances in each.  details: whether RESULT is
    wanted, too.  parameters: of every request, such as asr_language.
    """

    num_tasks: int = 16
    batch_size: int = 1
    details: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


async def transcribe_corpus(
    client: AsyncClient, utterances: Sequence[Utterance], load: Load = Load()
) -> AsyncIterator[Outcome]:
    """Outcomes as they come, in any order.

    A bad file or request fails alone; UnreachableError ends the run, since all later ones would
    wait in vain.
    """
    starts = range(0, len(utterances), load.batch_size)
    batches = [utterances[start : start + load.batch_size] for start in starts]
    attempt = partial(_attempt, client, load)
    async with aclosing(in_parallel(batches, attempt, load.num_tasks)) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def in_parallel(
    items: Iterable[Item],
    attempt: Callable[[Item], Coroutine[object, object, list[Outcome]]],
    num_tasks: int,
) -> AsyncGenerator[Outcome, None]:
    """What becomes of each item, num_tasks at a time; the first to raise ends all the others."""
    todo = iter(items)
    running: set[asyncio.Task[list[Outcome]]] = set()
    try:
        while True:
            for item in islice(todo, num_tasks - len(running)):
                running.add(asyncio.create_task(attempt(item)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when="FIRST_COMPLETED")
            for task in sorted(done, key=lambda task: task.exception() is not None):
                for outcome in task.result():
                    yield outcome
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _attempt(client: AsyncClient, load: Load, batch: Sequence[Utterance]) -> list[Outcome]:
    """Send what can be decoded in one request; if that is refused, each utterance alone."""
    outcomes, good, waveforms = [], [], []
    for utterance in batch:
        try:
            waveforms.append(await client.load(await asyncio.to_thread(fetch, utterance.source)))
            good.append(utterance)
        except AuricleError as error:
            outcomes.append(Outcome(utterance.id, None, error))
    if not good:
        return outcomes
    try:
        answers = await client.transcribe_batch(
            waveforms, details=load.details, parameters=load.parameters
        )
    except UnreachableError:
        raise
    except AuricleError as error:
        if isinstance(error, InvalidRequestError) and len(good) > 1:
            return outcomes + [(await _attempt(client, load, [one]))[0] for one in good]
        return outcomes + [Outcome(one.id, None, error) for one in good]
    return outcomes + [Outcome(one.id, answer) for one, answer in zip(good, answers, strict=True)]
