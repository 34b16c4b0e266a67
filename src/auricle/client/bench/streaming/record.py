"""Everything that a benchmark of streams found, as JSON: each level raw, its figures, the place."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from auricle.client.bench.machine import Machine
from auricle.client.bench.report import Truth
from auricle.client.bench.streaming.experiment import MeasuredLevel
from auricle.client.bench.streaming.report import LevelRun, StreamSummary
from auricle.errors import ManifestError


@dataclass(frozen=True)
class StreamRecord:
    """server: its name and version.  details: facts of this very benchmark."""

    machine: Machine
    server: str
    model: str
    truth: Truth
    measured: Sequence[MeasuredLevel]
    details: Mapping[str, object]

    def save(self, path: Path) -> None:
        levels = [
            {"summary": asdict(each.summary), "run": self._run(each.run)} for each in self.measured
        ]
        fields = {**vars(self), "measured": levels, "details": dict(self.details)}
        fields |= {"machine": asdict(self.machine), "truth": asdict(self.truth)}
        path.write_text(json.dumps(fields, ensure_ascii=False) + "\n", encoding="utf-8")

    def _run(self, run: LevelRun) -> dict[str, object]:
        """Times count from the level's beginning; texts that are as expected are true."""
        heard = [
            asdict(one)
            | {
                "dues_s": [round(due_s - run.begin, 4) for due_s in one.dues_s],
                "latencies_s": [round(latency_s, 5) for latency_s in one.latencies_s],
                "text": one.text == self.truth.transcripts[one.index] or one.text,
            }
            for one in run.heard
        ]
        return {**asdict(run), "begin": 0.0, "heard": heard}


def load_summaries(path: Path) -> list[StreamSummary]:
    """The figures of a saved record; ManifestError where the file is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return [StreamSummary(**each["summary"]) for each in record["measured"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{path} is no record of `auricle bench --streaming`: {error}"
        ) from error
