"""What ``metrics`` answers where nothing else was plugged in: the supervisor's own figures, asked at each scrape."""

from __future__ import annotations

import threading

import anyio.to_thread
from prometheus_client import CONTENT_TYPE_LATEST

from supervisor.directory import Directory
from supervisor.metrics.sources import Source
from supervisor.metrics.text import text_of


class Figures:
    """Of one supervisor. Scrapes that come together are served one after the other."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._source: Source | None = None
        self._asking = threading.Lock()

    async def __call__(self) -> tuple[bytes, str]:
        """The text and its media type; of a supervisor that is down as well, which it then says."""
        return await anyio.to_thread.run_sync(self._text), CONTENT_TYPE_LATEST

    def _text(self) -> bytes:
        with self._asking:
            if self._source is None:
                self._source = Source(self._directory)
            return text_of(self._source.look())
