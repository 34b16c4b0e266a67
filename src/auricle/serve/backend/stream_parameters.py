"""What a chunk of a stream asks for beside its samples, or a sentence that says why not."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass

from auricle import wire
from auricle.serve.backend.beam_parameters import BeamMenu
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.parameters import check_names, check_sample_rate
from auricle.serve.backend.values import Value, read_bool
from auricle.serve.decode.endpoint import NEVER, Rules
from auricle.serve.options import BeamOptions

STREAM_BEAM = (
    wire.ASR_NBEST,
    wire.ASR_HOTWORDS,
    wire.ASR_HOTWORDS_SCORE,
    wire.ASR_LM_WEIGHT,
    wire.ASR_LM_WORD_BONUS,
)
KNOWN = (wire.SAMPLE_RATE, wire.ASR_ENDPOINT, wire.ASR_FINALIZE)
RULES = tuple(field.name for field in dataclasses.fields(Rules))


@dataclass(frozen=True)
class ChunkOptions:
    """rules: by which the stream's segments end from now on; None leaves them as they are.

    beam: of the stream's search, which its first chunk says; None in a later one.
    """

    finalizes: bool
    rules: Rules | None
    beam: BeamOptions | None = None


@dataclass(frozen=True)
class StreamMenu:
    """What a model's streams can be asked for.

    rules: those of config.pbtxt, which a caller gets that only says yes.
    beam: of a model whose streams are searched by a beam.
    """

    sample_rate: int
    rules: Rules
    beam: BeamMenu | None = None

    @property
    def of_search(self) -> tuple[str, ...]:
        """The parameters of a whole stream."""
        return STREAM_BEAM if self.beam else ()

    def read(self, parameters: Mapping[str, Value], *, is_first: bool) -> ChunkOptions:
        """parameters: all of the request's; those that do not begin with asr_ are others'."""
        check_names(parameters, (*KNOWN, *self.of_search))
        check_sample_rate(parameters.get(wire.SAMPLE_RATE), self.sample_rate)
        finalizes = read_bool(parameters.get(wire.ASR_FINALIZE))
        if finalizes is None:
            asked = parameters[wire.ASR_FINALIZE]
            raise UnfitRequestError(
                "endpoint", f"{wire.ASR_FINALIZE} is {asked!r}; give true or false"
            )
        beam = self._read_beam(parameters, is_first=is_first)
        return ChunkOptions(finalizes, self._read_rules(parameters.get(wire.ASR_ENDPOINT)), beam)

    def _read_beam(self, parameters: Mapping[str, Value], *, is_first: bool) -> BeamOptions | None:
        """A client may say it with every chunk, but only the first one counts."""
        return self.beam.read(parameters) if self.beam and is_first else None

    def _read_rules(self, asked: Value) -> Rules | None:
        if asked is None:
            return None
        wanted = read_bool(asked)
        if wanted is not None:
            return self.rules if wanted else NEVER
        seconds = _read_seconds(asked)
        if seconds is None:
            raise UnfitRequestError(
                "endpoint",
                f"{wire.ASR_ENDPOINT} is {asked!r}; give true, false, or a JSON object with "
                f"seconds above 0 for some of {', '.join(RULES)}",
            )
        return dataclasses.replace(self.rules, **seconds)


def _read_seconds(asked: Value) -> dict[str, float] | None:
    try:
        seconds: object = json.loads(str(asked))
    except ValueError:
        return None
    if not isinstance(seconds, dict) or not seconds.keys() <= set(RULES):
        return None
    fits = all(type(value) in (int, float) and value > 0 for value in seconds.values())
    return {name: float(value) for name, value in seconds.items()} if fits else None
