"""The corpus once with every setting: what was said, how wrong it was, how long it took."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from auricle.audio import Waveform
from auricle.client import reports, scoring
from auricle.client.client import AsyncClient
from auricle.client.corpus import Outcome, in_parallel
from auricle.client.reports import Speed
from auricle.client.scoring import Score
from auricle.client.tune.grid import Setting, describe
from auricle.errors import AuricleError, InvalidRequestError, UnreachableError


@dataclass(frozen=True)
class Plan:
    """What is sent, with what settings, and what should come back.

    waveforms: by name, at the client's rate.  references: of the same names.
    parameters: of every request, beside those of the setting.  num_tasks: requests in flight.
    characters: True or False force characters or words; None goes by the language.
    normalizes: score in lower case without punctuation.
    """

    waveforms: Mapping[str, Waveform]
    references: Mapping[str, str]
    settings: Sequence[Setting]
    parameters: Mapping[str, str] = field(default_factory=dict)
    num_tasks: int = 16
    characters: bool | None = None
    normalizes: bool = False

    def score(self, transcripts: Mapping[str, str]) -> Score:
        unit = scoring.choose_unit(self.references.values(), characters=self.characters)
        if not self.normalizes:
            return scoring.score(self.references, transcripts, unit)
        references = scoring.normalize_all(self.references)
        return scoring.score(references, scoring.normalize_all(transcripts), unit)


@dataclass(frozen=True)
class Point:
    """One setting's whole run; an utterance that failed counts as deleted.

    speed: over the utterances that succeeded; None where none did.
    """

    setting: Setting
    score: Score
    speed: Speed | None
    failed: int


async def prepare(client: AsyncClient, plan: Plan) -> None:
    """Ask for every setting once, and warm the server up; nothing of it is measured.

    A setting that the server refuses is an InvalidRequestError in its words, before a long run
    has come as far as that setting.
    """
    shortest = min(plan.waveforms.values(), key=len)
    for setting in plan.settings:
        try:
            await client.transcribe(shortest, parameters={**plan.parameters, **setting})
        except InvalidRequestError as error:
            raise InvalidRequestError(f"the server refuses {describe(setting)}: {error}") from error
    first = islice(plan.waveforms.items(), 2 * plan.num_tasks)
    attempt = partial(_attempt, client, {**plan.parameters, **plan.settings[0]})
    async with aclosing(in_parallel(first, attempt, plan.num_tasks)) as outcomes:
        async for _ in outcomes:
            pass


async def measure(
    client: AsyncClient, plan: Plan, tell: Callable[[Outcome], None]
) -> AsyncGenerator[Point, None]:
    """A point for each setting, in their order; `tell` hears of each utterance as it comes."""
    for setting in plan.settings:
        attempt = partial(_attempt, client, {**plan.parameters, **setting})
        outcomes = []
        start = time.perf_counter()
        async with aclosing(
            in_parallel(plan.waveforms.items(), attempt, plan.num_tasks)
        ) as arriving:
            async for outcome in arriving:
                outcomes.append(outcome)
                tell(outcome)
        wall_s = time.perf_counter() - start
        transcripts = {one.id: one.transcription.text for one in outcomes if one.transcription}
        failed = len(outcomes) - len(transcripts)
        speed = reports.measure(outcomes, wall_s)
        yield Point(setting, plan.score(transcripts), speed, failed)


async def _attempt(
    client: AsyncClient, parameters: Mapping[str, str], named: tuple[str, Waveform]
) -> list[Outcome]:
    name, waveform = named
    try:
        return [Outcome(name, await client.transcribe(waveform, parameters=parameters))]
    except UnreachableError:
        raise
    except AuricleError as error:
        return [Outcome(name, None, error)]
