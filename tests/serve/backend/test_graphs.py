import dataclasses
from typing import get_args

import pytest

from auricle.serve.backend.graphs import LENGTHS, encoder_outputs
from auricle.spec import Head
from tests.conftest import TRANSDUCER_SPEC


# A detector of speech has no encoder.
@pytest.mark.parametrize("head", sorted(set(get_args(Head)) - {"vad"}))
def test_every_head_has_its_outputs_and_their_lengths(head: Head) -> None:
    outputs = encoder_outputs(dataclasses.replace(TRANSDUCER_SPEC, head=head))
    assert LENGTHS & set(outputs)
    assert len(set(outputs)) == len(outputs)


def test_peaks_are_read_where_there_are_timestamps() -> None:
    cif = dataclasses.replace(TRANSDUCER_SPEC, head="cif")
    assert "CIF_PEAKS" not in encoder_outputs(cif)
    assert "CIF_PEAKS" in encoder_outputs(dataclasses.replace(cif, has_timestamps=True))
