"""Metrics as a scrape finds them, and what Prometheus' own tool says of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from supervisor.directory import Directory
from supervisor.metrics.sources import Source
from supervisor.metrics.text import text_of
from tests.support.command import REPOSITORY
from tests.support.tree import RunningTree

_OWN = REPOSITORY / ".tools" / "promtool"
PROMTOOL = shutil.which("promtool") or (str(_OWN) if os.access(_OWN, os.X_OK) else None)
"""Where it is; None where there is none (scripts/promtool fetches it)."""


class Scraped:
    """A text, parsed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: dict[str, str] = {}
        self.samples: list[Sample] = []
        for family in text_string_to_metric_families(text):
            self.kinds[family.name] = family.type
            self.samples += family.samples

    def named(self, name: str, **labels: str) -> Iterator[Sample]:
        """The samples of this name with these labels, whatever others they have."""
        for sample in self.samples:
            if sample.name == f"supervisor_{name}" and labels.items() <= sample.labels.items():
                yield sample

    def value(self, name: str, **labels: str) -> float | None:
        """The one such value; None where there is none."""
        found = [sample.value for sample in self.named(name, **labels)]
        assert len(found) < 2, f"{name} {labels} is no single value"
        return found[0] if found else None

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Such values by one of their labels, added up, but for those that are 0."""
        found: dict[str, float] = {}
        for sample in self.named(name, **labels):
            if sample.value:
                found[sample.labels[label]] = found.get(sample.labels[label], 0.0) + sample.value
        return found

    def buckets(self, name: str, **labels: str) -> list[float]:
        """The counts of one histogram, from the lowest bound to infinity."""
        found = {float(sample.labels["le"]): sample.value for sample in self.named(f"{name}_bucket", **labels)}
        return [found[bound] for bound in sorted(found)]

    def series(self) -> set[str]:
        """The names of all samples."""
        return {sample.name for sample in self.samples}


def look(where: RunningTree | Path) -> Scraped:
    """What is to be said of a tree now."""
    source = Source(Directory(where.dir if isinstance(where, RunningTree) else where))
    try:
        return Scraped(text_of(source.look()).decode())
    finally:
        source.close()


def promtool(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run it."""
    assert PROMTOOL is not None
    return subprocess.run(
        [PROMTOOL, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60, check=False
    )
