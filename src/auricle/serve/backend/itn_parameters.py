"""Whether a request wants digits, or a sentence that says why it cannot have them."""

from auricle import wire
from auricle.errors import InvalidRequestError, RepositoryError
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.values import Value, read_bool
from auricle.serve.itn import LANGUAGES, create_itn
from auricle.serve.quoting import quote
from auricle.spec import Itn, PipelineSpec


class ItnMenu:
    """default: of config.pbtxt."""

    def __init__(self, spec: PipelineSpec, default: Itn) -> None:
        self.tells_language = spec.prompt is not None or spec.autoregressive is not None
        self.default = default
        try:
            self._check(default)
        except InvalidRequestError as error:
            raise RepositoryError(f"parameter itn is {default!r}, but {error}") from error

    def read(self, asked: Value) -> Itn:
        """asked: yes, no, or the language of what is said."""
        if asked is None:
            return self.default
        itn = self._parse(asked)
        try:
            self._check(itn)
        except InvalidRequestError as error:
            raise UnfitRequestError("itn", f"{wire.ASR_ITN}: {error}") from error
        return itn

    def _parse(self, asked: Value) -> Itn:
        if asked in LANGUAGES:
            return asked  # type: ignore[return-value]  # they are among Itn's
        wanted = read_bool(asked)
        if wanted is None:
            raise UnfitRequestError(
                "itn",
                f"{wire.ASR_ITN} is {quote(asked)}; give true, false, or the language: "
                f"{', '.join(LANGUAGES)}",
            )
        if wanted and self.default not in ("off", "on"):
            return self.default
        return "on" if wanted else "off"

    def _check(self, itn: Itn) -> None:
        """InvalidRequestError if there is no language, or wetext is not installed."""
        if itn == "on" and not self.tells_language:
            raise InvalidRequestError(
                "this model does not tell which language it hears; name it instead: "
                f"{', '.join(LANGUAGES)}"
            )
        if itn != "off":
            create_itn("en" if itn == "on" else itn)
