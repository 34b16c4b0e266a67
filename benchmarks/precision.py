"""Reduced models of the demo's checkpoints against fp32 on a set: error rate and difference.

python benchmarks/precision.py OUT PRECISION SET [NAME...] [--calibration FOLDER]
float16 and bfloat16 are computed in float32 with their roundings, which a CPU leaves out.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from auricle import audio
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.export.deviation import deviation
from auricle.build.families import Built, Options
from auricle.build.repository import populate
from auricle.cli.build.accuracy import as_computed
from auricle.client.manifests import fetch, read_wav_scp
from auricle.gate.decoding import Model, decode
from auricle.gate.speech import Speech, read_speech

ASSETS = Path(__file__).parents[1] / "assets"
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
NUM_UTTERANCES = 100  # of calibration


def build(name: str, options: Options) -> Built:
    return families.load(FAMILIES[name]).build(Checkpoint(ASSETS / name, name), options)


def hear(built: Built, speech: Speech) -> tuple[float, int, dict[str, str]]:
    """Error rate, errors, transcripts."""
    deployment = populate.Deployment()
    with tempfile.TemporaryDirectory() as folder:
        populate.populate(as_computed(built), "a", Path(folder), deployment)
        model = Model("a", Path(folder) / "a" / "1", populate.choose(built, deployment))
        decoded = decode(model, speech.utterances, 2, lambda _: None)
    score = speech.score(decoded.transcripts)
    return score.error_rate, score.counts.errors, dict(decoded.transcripts)


def measure(name: str, options: Options, speech: Speech, set_name: str) -> dict[str, object]:
    models = [build(name, Options()), build(name, options)]
    (plain, errors, before), (rate, more, after) = (hear(built, speech) for built in models)
    sizes = [built.graphs["encoder"].ByteSize() for built in models]
    return {
        "model": name,
        "set": set_name,
        "precision": options.precision,
        "quantization": "qdq" if options.calibration else None,
        "units": speech.num_units,
        "unit": speech.unit,
        "fp32": {"error_rate": round(plain, 3), "errors": errors, "bytes": sizes[0]},
        "reduced": {"error_rate": round(rate, 3), "errors": more, "bytes": sizes[1]},
        "changed_transcripts": sum(before[key] != after[key] for key in before),
        "difference": deviation(models[0].graphs, models[1].graphs, models[0].spec.sample_rate),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("precision", choices=["fp16", "int8"])
    parser.add_argument("set", type=Path)
    parser.add_argument("names", nargs="*", choices=[*FAMILIES, []])
    parser.add_argument("--calibration", type=Path)
    args = parser.parse_args()

    def calibrate(sample_rate: int) -> Iterator[Waveform]:
        for utterance in read_wav_scp(args.calibration / "wav.scp")[:NUM_UTTERANCES]:
            yield audio.load(fetch(utterance.source), sample_rate)

    options = Options(args.precision, calibration=calibrate if args.calibration else None)
    speech = read_speech(args.set, min_units=100)
    rows = json.loads(args.out.read_text()) if args.out.exists() else []
    for name in args.names or FAMILIES:
        rows.append(measure(name, options, speech, args.set.name))
        print(rows[-1], flush=True)  # noqa: T201
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
