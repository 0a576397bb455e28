"""Metrics as text, in Prometheus' exposition format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from supervisor.metrics.collect import collect
from supervisor.metrics.records import Seen


class _Once(Collector):
    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        return collect(self._seen)


def text_of(seen: Seen) -> bytes:
    """What was seen, as text."""
    registry = CollectorRegistry()
    registry.register(_Once(seen))
    return generate_latest(registry)
