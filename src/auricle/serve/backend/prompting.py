"""What a request may ask of a decoder that writes token by token."""

import dataclasses
from collections.abc import Mapping, Sequence

from auricle import wire
from auricle.errors import InvalidRequestError
from auricle.serve.backend.outcomes import Unfit, UnfitRequestError
from auricle.serve.backend.parameters import Menu, number_of
from auricle.serve.backend.values import Value, read_bool
from auricle.serve.byte_pairs import BytePairEncoder
from auricle.serve.options import DecodingOptions
from auricle.serve.quoting import quote
from auricle.serve.scorers import Phrases
from auricle.spec import Choices, PipelineSpec

OURS = (wire.ASR_TASK, wire.ASR_PROMPT, wire.ASR_PREFIX, wire.ASR_TIMESTAMPS)
AUTO = ("", "auto")
MAX_TEXT_LENGTH = 4096  # characters: more than the 223 tokens that count ever spell


class PromptMenu(Menu):
    """What a model with a head "autoregressive" can be asked for."""

    def __init__(
        self,
        spec: PipelineSpec,
        choices: Choices,
        symbols: Sequence[str],
        phrases: Phrases | None = None,
    ) -> None:
        super().__init__(spec, choices, symbols, phrases)
        assert spec.autoregressive, "this menu is of autoregressive models"
        self._facts = spec.autoregressive
        self._encoder = BytePairEncoder(symbols, self._facts.end_id)

    @property
    def known(self) -> tuple[str, ...]:
        return (*super().known, *OURS)

    def read(self, parameters: Mapping[str, Value]) -> DecodingOptions:
        """As Menu.read."""
        ours = (*OURS, wire.ASR_LANGUAGE)
        plain = {name: value for name, value in parameters.items() if name not in ours}
        return dataclasses.replace(
            super().read(plain),
            language=self._language(parameters.get(wire.ASR_LANGUAGE)),
            task=self._task(parameters.get(wire.ASR_TASK)),
            prompt=self._prompt(parameters.get(wire.ASR_PROMPT)),
            prefix=self._prefix(parameters.get(wire.ASR_PREFIX)),
            timestamps=self._timestamps(parameters.get(wire.ASR_TIMESTAMPS)),
        )

    def _language(self, asked: Value) -> int | None:
        """None where the model is to tell."""
        if asked is None:
            return self.defaults.language
        if str(asked).casefold() in AUTO:
            return None
        return number_of("language", asked, self._facts.languages)

    def _task(self, asked: Value) -> int | None:
        return self.defaults.task if asked is None else number_of("task", asked, self._facts.tasks)

    def _prompt(self, asked: Value) -> tuple[int, ...]:
        """Its last tokens: half of what the decoder takes, as in openai/whisper."""
        text = _text(wire.ASR_PROMPT, asked).strip()
        ids = self._encoder.encode(f" {text}") if text else []
        return tuple(ids[-(self._facts.max_tokens // 2 - 1) :])

    def _prefix(self, asked: Value) -> tuple[int, ...]:
        text = _text(wire.ASR_PREFIX, asked)
        try:
            ids = tuple(self._encoder.encode_special(text))
        except InvalidRequestError as error:
            raise UnfitRequestError("prompt", f"{wire.ASR_PREFIX}: {error}") from error
        longest = self._facts.max_tokens // 2
        if ids and self._facts.start_id not in ids:
            raise UnfitRequestError(
                "prompt",
                f"{wire.ASR_PREFIX} is {quote(text)}; it is all that the decoder hears and begins "
                f"with <|startoftranscript|>; what was said before goes into {wire.ASR_PROMPT}",
            )
        if len(ids) > longest:
            raise UnfitRequestError(
                "prompt",
                f"{wire.ASR_PREFIX} has {len(ids)} tokens, but this model takes {longest} at most",
            )
        return ids

    def _timestamps(self, asked: Value) -> bool:
        wanted = read_bool(asked)
        if wanted is None:
            raise UnfitRequestError(
                "timestamps", f"{wire.ASR_TIMESTAMPS} is {quote(asked)}; give true or false"
            )
        return wanted


def create_menu(
    spec: PipelineSpec, choices: Choices, symbols: Sequence[str], phrases: Phrases | None = None
) -> Menu:
    """What a model of whole utterances can be asked for."""
    return (PromptMenu if spec.autoregressive else Menu)(spec, choices, symbols, phrases)


def _text(name: str, asked: Value) -> str:
    reason: Unfit = "prompt"
    if asked is None:
        return ""
    if not isinstance(asked, str):
        raise UnfitRequestError(reason, f"{name} is {quote(asked)}; give a text")
    if len(asked) > MAX_TEXT_LENGTH:
        raise UnfitRequestError(
            reason,
            f"{name} has {len(asked)} characters, but a request may have {MAX_TEXT_LENGTH} at most",
        )
    return asked
