"""What `auricle build` was told of precision, as the builders want it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli.build.options import FeatureEdges, Precision, Quantization

if TYPE_CHECKING:
    from auricle.audio import Waveform
    from auricle.build.export.precision import Bfloat
    from auricle.build.families import Options

NUM_UTTERANCES = 100  # of calibration; ranges hardly grow with more


@dataclass(frozen=True)
class Asked:
    precision: Precision
    quantization: Quantization
    calibration: Path | None
    python: str | None

    def check(self, wer_set: Path | None, max_wer_rise: float | None) -> None:
        """A usage error where the options contradict each other."""
        if max_wer_rise is not None and not wer_set:
            raise typer.BadParameter(
                "--max-wer-rise needs transcribed speech: give it with --wer-set"
            )
        if wer_set and self.precision is Precision.fp32:
            raise typer.BadParameter(
                "--wer-set compares a reduced model with the fp32 one; add --precision int8, fp16 "
                "or bf16"
            )
        is_static = self.quantization is Quantization.qdq
        if is_static and self.precision is not Precision.int8:
            raise typer.BadParameter("--quantization is of int8; add --precision int8")
        if is_static and self.calibration is None:
            raise typer.BadParameter(
                "--quantization qdq takes its ranges from speech: name a folder with wav.scp with "
                "--calibration"
            )
        if self.calibration and not is_static:
            raise typer.BadParameter("--calibration is for --quantization qdq")

    def options(
        self, parity_audio: Path | None, *, streaming: bool, edges: FeatureEdges | None
    ) -> "Options":
        """With what makes bfloat16 and what int8 is calibrated on."""
        from auricle.build.families import Options

        plain = Options(
            self.precision.value, parity_audio, streaming, edges.value if edges else None
        )
        return replace(plain, bfloat=self.bfloat(), calibration=self.speech())

    def exporter_python(self, *, is_exported: bool) -> str | None:
        """Of --export; alone, beside bf16, --python is ModelOpt's."""
        return self.python if is_exported or self.precision is not Precision.bf16 else None

    def bfloat(self) -> "Bfloat | None":
        if self.precision is not Precision.bf16 or self.python is None:
            return None
        from auricle.build.upstream.autocast import Autocast

        return Autocast(self.python, lambda line: typer.echo(line, err=True)).cast

    def speech(self) -> "Callable[[int], Iterator[Waveform]] | None":
        """Utterances of the calibration set at a sample rate."""
        if self.calibration is None:
            return None
        folder = self.calibration

        def read(sample_rate: int) -> "Iterator[Waveform]":
            from auricle import audio
            from auricle.client.manifests import fetch, read_wav_scp

            for utterance in read_wav_scp(folder / "wav.scp")[:NUM_UTTERANCES]:
                yield audio.load(fetch(utterance.source), sample_rate)

        return read
