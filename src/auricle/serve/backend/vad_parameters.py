"""What a request asks of the detector of speech, or a sentence that says why it cannot have it."""

from collections.abc import Mapping
from dataclasses import replace

from auricle import wire
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.values import Value, read_bool, read_number
from auricle.serve.options import speech_options
from auricle.serve.quoting import quote
from auricle.serve.vad import SpeechOptions
from auricle.spec import Choices, PipelineSpec

# The field of SpeechOptions behind each, and its bounds.
NUMBERS = {
    wire.ASR_VAD_THRESHOLD: ("threshold", 0, 1),
    wire.ASR_VAD_MIN_SPEECH_DURATION_MS: ("min_speech_duration_ms", 0, 60_000),
    wire.ASR_VAD_MIN_SILENCE_DURATION_MS: ("min_silence_duration_ms", 0, 60_000),
    wire.ASR_VAD_SPEECH_PAD_MS: ("speech_pad_ms", 0, 60_000),
    wire.ASR_VAD_MAX_SPEECH_DURATION_S: ("max_speech_duration_s", 1, 86_400),
}


class SpeechMenu:
    """always: whether to find speech is all that the model does."""

    def __init__(self, spec: PipelineSpec, choices: Choices) -> None:
        self.has_vad = spec.vad is not None
        self.always = spec.head == "vad"
        self.defaults = speech_options(choices)

    @property
    def known(self) -> tuple[str, ...]:
        return (wire.ASR_VAD, *NUMBERS) if self.has_vad else (wire.ASR_VAD,)

    def read(self, parameters: Mapping[str, Value]) -> SpeechOptions | None:
        """None where audio is heard whole; parameters: all of the request's."""
        wanted = self._is_wanted(parameters.get(wire.ASR_VAD))
        changes = {
            field: read_number("vad", name, parameters[name], (least, most))
            for name, (field, least, most) in NUMBERS.items()
            if name in parameters
        }
        return replace(self.defaults, **changes) if wanted else None

    def _is_wanted(self, asked: Value) -> bool:
        wanted = read_bool(asked, default=self.always)
        if wanted is None:
            raise UnfitRequestError("vad", f"{wire.ASR_VAD} is {quote(asked)}; give true or false")
        if self.always and not wanted:
            raise UnfitRequestError(
                "vad", f"{wire.ASR_VAD} is {quote(asked)}, but this model does nothing else"
            )
        if wanted and not self.has_vad:
            raise UnfitRequestError(
                "vad",
                f"{wire.ASR_VAD} is {quote(asked)}, but this model was built without a detector of "
                "speech; build it with --vad auto",
            )
        return wanted
