"""The supervisor as a collector of prometheus-client: for our own ways out, and for any other registry."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from supervisor.metrics.collect import collect
from supervisor.metrics.sources import Source


class SupervisorCollector(Collector):
    """Asks at each scrape. Scrapes that come together are served one after the other: broker and master hear one."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._asking = threading.Lock()

    def describe(self) -> list[Metric]:
        """Nothing is asked only to be registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics of this moment."""
        with self._asking:
            seen = self._source.look()
        yield from collect(seen)


def registry_of(source: Source) -> CollectorRegistry:
    """A registry with this supervisor alone, and nothing of the process that asks."""
    registry = CollectorRegistry()
    registry.register(SupervisorCollector(source))
    return registry
