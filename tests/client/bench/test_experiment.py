import asyncio

import numpy as np
import pytest

from auricle.client.bench import experiment, triton
from auricle.client.bench.experiment import Plan
from auricle.client.bench.load import Load
from auricle.errors import ManifestError

PLAN = Plan({name: np.zeros(100, np.float32) for name in "abc"}, 16000, [Load(1)])


async def find_truth(expected: dict[str, str]) -> None:
    async with triton.connect("127.0.0.1:1", "demo") as target:
        await experiment.find_truth(target, PLAN, expected)


def test_every_waveform_needs_an_expected_transcript() -> None:
    with pytest.raises(ManifestError, match="no transcript is given for 2, such as 'b'"):
        asyncio.run(find_truth({"a": "one", "other": "two"}))
