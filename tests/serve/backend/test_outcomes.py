from typing import get_args

import pytest

from auricle.errors import AuricleError, BusyError, InvalidRequestError
from auricle.serve.backend.outcomes import (
    REASONS,
    CancelledRequestError,
    Unfit,
    UnfitRequestError,
    reason_of,
)


@pytest.mark.parametrize("reason", get_args(Unfit))
def test_an_unfit_request_keeps_its_reason_and_its_sentence(reason: Unfit) -> None:
    error = UnfitRequestError(reason, "the audio is empty")
    assert reason_of(error) == reason
    assert str(error) == "the audio is empty"
    assert isinstance(error, InvalidRequestError)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CancelledRequestError("gone"), "cancelled"),
        (BusyError("full"), "busy"),
        (AuricleError("dead encoder"), "failed"),
        (ValueError("a bug"), "failed"),
    ],
)
def test_every_other_error_has_a_reason(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
    assert reason in REASONS
