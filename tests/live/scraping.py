"""The /metrics page of a real server as numbers."""

import re
import time
import urllib.request
from dataclasses import dataclass

from auricle.server import Server

Labels = frozenset[tuple[str, str]]
LINE = re.compile(r"^(?P<name>\w+)(?:{(?P<labels>.*)})? (?P<value>\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """values: by name and labels."""

    values: dict[tuple[str, Labels], float]

    def names(self) -> set[str]:
        return {name for name, _ in self.values}

    def value(self, name: str, **labels: str) -> float:
        return self.values[name, frozenset(labels.items())]

    def errors(self, model: str) -> dict[str, int]:
        """By reason, those that are not 0."""
        found = {}
        for (name, labels), value in self.values.items():
            known = dict(labels)
            if name == "asr_request_errors_total" and known["model"] == model and value:
                found[known["reason"]] = int(value)
        return found


def scrape(server: Server) -> Page:
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return Page(
        {
            (line["name"], labels_of(line["labels"] or "")): float(line["value"])
            for line in LINE.finditer(text)
        }
    )


def scrape_after(server: Server, model: str, requests: int) -> Page:
    """The page once the model has counted that many requests; the numbers are half a second old."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        page = scrape(server)
        if page.value("asr_requests_total", model=model) == requests:
            return page
        time.sleep(0.1)
    raise AssertionError(page.values)


def labels_of(text: str) -> Labels:
    return frozenset(re.findall(r'(\w+)="([^"]*)"', text))
