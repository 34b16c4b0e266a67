"""Everything that a benchmark found, as JSON: the runs raw, their figures, and the machine."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from auricle.client.bench.load import Answer
from auricle.client.bench.machine import Machine
from auricle.client.bench.report import Summary, Truth
from auricle.client.bench.run import Run
from auricle.errors import ManifestError


@dataclass(frozen=True)
class Measured:
    """ceiling: seconds of audio per second of the encoder alone, just before the run."""

    run: Run
    summary: Summary
    ceiling: float | None = None


@dataclass(frozen=True)
class Record:
    """server: its name and version, or its command.  details: facts of this very benchmark."""

    machine: Machine
    server: str
    model: str
    truth: Truth
    measured: Sequence[Measured]
    details: dict[str, object]

    def save(self, path: Path) -> None:
        runs = [
            {
                **asdict(each),
                "run": {**asdict(each.run), "answers": self._answers(each.run.answers)},
            }
            for each in self.measured
        ]
        fields = {**vars(self), "measured": runs}
        fields |= {"machine": asdict(self.machine), "truth": asdict(self.truth)}
        path.write_text(json.dumps(fields, ensure_ascii=False) + "\n", encoding="utf-8")

    def _answers(self, answers: Sequence[Answer]) -> list[dict[str, object]]:
        """Without the texts that are as expected: `truth` has them."""
        return [asdict(each) | ({"text": True} if self._is_right(each) else {}) for each in answers]

    def _is_right(self, answer: Answer) -> bool:
        return answer.text == self.truth.transcripts[answer.index]


def load_summaries(path: Path) -> list[Summary]:
    """The figures of a saved record; ManifestError where the file is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return [Summary(**each["summary"]) for each in record["measured"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path} is not a record of `auricle bench`: {error}") from error
