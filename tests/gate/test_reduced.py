"""Every trained family hears in fp16 what it hears in fp32."""

from pathlib import Path

import pytest

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository import populate
from auricle.cli.build.accuracy import as_computed
from auricle.client.manifests import read_wav_scp
from auricle.gate.decoding import Model, decode
from tests.gate.conftest import ROOT, SPEECH

pytestmark = pytest.mark.onnx

FAMILIES = {
    "icefall-ctc": "icefall_ctc",
    "icefall-transducer": "icefall_transducer",
    "icefall-streaming": "icefall_transducer",
    "nemo-ctc": "nemo_ctc",
    "paraformer": "paraformer",
    "paraformer-online": "paraformer",
    "sense-voice": "sense_voice",
    "wenet-u2": "wenet_u2",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_float16_with_its_roundings_hears_the_same(name: str, tmp_path: Path) -> None:
    """All 40 and 600 held-out ones are in docs/benchmarks.md."""
    heard = []
    deployment = populate.Deployment()
    checkpoint = Checkpoint(ROOT / "assets" / name, name)
    options = Options(), Options(precision="fp16")
    for precision, wanted in zip(("fp32", "fp16"), options, strict=True):
        built = as_computed(families.load(FAMILIES[name]).build(checkpoint, wanted))
        populate.populate(built, precision, tmp_path, deployment)
        choices = populate.choose(built, deployment)
        model = Model(precision, tmp_path / precision / "1", choices)
        utterances = read_wav_scp(SPEECH / "wav.scp")[:6]
        heard.append(decode(model, utterances, 2, lambda _: None).transcripts)
    assert any(heard[0].values())
    assert heard[0] == heard[1]
