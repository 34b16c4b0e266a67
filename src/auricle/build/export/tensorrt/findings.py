"""What a check says: findings on nodes, and whether a graph would parse."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from auricle.build.export.tensorrt.operators import Version

Level = Literal["ERROR", "warning"]


@dataclass(frozen=True)
class Finding:
    """node: its name, behind the names of the branches or loops that it is in; "" for the file.

    source: the document, issue or release that says so.
    """

    level: Level
    node: str
    operator: str
    why: str
    source: str
    advice: str

    def __str__(self) -> str:
        place = " ".join(filter(None, (self.node, self.operator and f"({self.operator})")))
        head = f"{self.level:7}  {place or 'the file'}: {self.why} [{self.source}]"
        return f"{head}; {self.advice}" if self.advice else head


@dataclass(frozen=True)
class Report:
    """Of one graph: the findings for each version of TensorRT that was asked about."""

    path: Path
    findings: dict[Version, list[Finding]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return not all(map(self.parses, self.findings))

    def parses(self, version: Version) -> bool:
        return all(finding.level != "ERROR" for finding in self.findings[version])

    def lines(self) -> list[str]:
        """One a finding, like ones as one; which versions, where not all; then the verdict."""
        versions: dict[Finding, list[Version]] = {}
        for version, findings in self.findings.items():
            for finding in merge(findings):
                versions.setdefault(finding, []).append(version)
        lines = [
            str(finding) + ("" if len(of) == len(self.findings) else f" (TensorRT {join(of)})")
            for finding, of in sorted(versions.items(), key=lambda item: item[0].level)
        ]
        answers = "; ".join(
            f"TensorRT {join([version])}: {'yes' if self.parses(version) else 'no'}"
            for version in self.findings
        )
        return [*(f"{self.path.name}: {line}" for line in lines),
                f"{self.path.name}: would parse with {answers}"]  # fmt: skip

    def as_json(self) -> dict[str, object]:
        return {
            "graph": str(self.path),
            "tensorrt": {
                join([version]): {
                    "would_parse": self.parses(version),
                    "findings": [vars(finding) for finding in findings],
                }
                for version, findings in self.findings.items()
            },
        }


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that differ in their node alone, as one that names the first and counts the rest."""
    nodes: dict[Finding, list[str]] = {}
    for one in findings:
        alike = Finding(one.level, "", one.operator, one.why, one.source, one.advice)
        nodes.setdefault(alike, []).append(one.node)
    return [
        Finding(one.level, count(names), one.operator, one.why, one.source, one.advice)
        for one, names in nodes.items()
    ]


def count(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def join(versions: Iterable[Version]) -> str:
    return ", ".join(f"{major}.{minor}" for major, minor in versions)
