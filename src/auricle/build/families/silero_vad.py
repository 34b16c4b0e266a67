"""Silero's detector of speech: samples in, the times at which somebody speaks out.

https://github.com/snakers4/silero-vad; the graph is in the package, not on Hugging Face.
"""

from dataclasses import replace
from pathlib import Path

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import choose_file, list_files, sha256
from auricle.build.checkpoint.silero import ADVICE, FILE_NAME, Installed
from auricle.build.export.graph import load_graph
from auricle.build.export.reference import load_waveforms
from auricle.build.export.vad import SAMPLE_RATE, Detector, build_detector
from auricle.build.families import Built, Family, Options, Profile
from auricle.build.upstream.elsewhere import Elsewhere
from auricle.errors import CheckpointError
from auricle.spec import PipelineSpec, Vad

ROLE = "vad"  # of the graph
TOKENS = "<silence> 0\n<speech> 1\n"  # what a window is


def choose(names: list[str], options: Options) -> list[str]:
    graph = choose_file(names, FILE_NAME, "*.onnx")
    if options.precision != "fp32":
        raise CheckpointError("a detector of speech is small: build it without --precision")
    return [graph]


def build(checkpoint: Checkpoint, options: Options) -> Built:
    names = choose(list_files(checkpoint.folder), options)
    waveforms = load_waveforms(options.parity_audio, SAMPLE_RATE)
    detector = build_detector(load_graph(checkpoint.folder / names[0]), waveforms)
    vad = state_vad(detector)
    return Built(
        spec=PipelineSpec(
            family="silero_vad",
            head="vad",
            sample_rate=vad.sample_rate,
            seconds_per_frame=vad.window / vad.sample_rate,
            graphs={ROLE: f"{ROLE}.onnx"},
            tokens="tokens.txt",
            token_kind="char",  # noqa: S106  # no password
            blank_id=0,
            unk_id=None,
            context_size=0,
            max_seconds=None,
            source=checkpoint.source(names),
            vad=vad,
        ),
        graphs={ROLE: detector.model},
        tokens=TOKENS,
        joiner_dim=0,
        vocab_size=2,
        report=(detector.seen, *detector.report),
    )


def add_vad(built: Built, path: Path, options: Options) -> Built:
    """The model with the detector of a file, for audio that is too long.

    CheckpointError where it does not fit the model.
    """
    spec = built.spec
    if spec.streaming or spec.head == "vad":
        raise CheckpointError(
            "--vad is for models of whole utterances, and cuts audio that is too long for them; "
            "leave it out"
        )
    if spec.sample_rate != SAMPLE_RATE:
        raise CheckpointError(
            f"the detector hears {SAMPLE_RATE} Hz, but this model {spec.sample_rate} Hz; leave "
            "--vad out"
        )
    waveforms = load_waveforms(options.parity_audio, SAMPLE_RATE)
    detector = build_detector(load_graph(path), waveforms)
    digests = spec.source.sha256 | {path.name: sha256(path)}
    facts = replace(
        spec,
        graphs=spec.graphs | {ROLE: f"{ROLE}.onnx"},
        source=replace(spec.source, sha256=digests),
        vad=state_vad(detector),
    )
    graphs = built.graphs | {ROLE: detector.model}
    return replace(built, spec=facts, graphs=graphs, report=built.report + detector.report)


def state_vad(detector: Detector) -> Vad:
    return Vad(SAMPLE_RATE, detector.window, detector.context, detector.state_size)


FAMILY = Family(
    source=Installed(),
    choose=choose,
    build=build,
    profile=Profile(seconds=(0.1, 60.0, 3600.0), batch=(1, 1, 1)),
    exporter=Elsewhere(ADVICE),
)
