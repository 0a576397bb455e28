"""Showing metrics for as long as it is wanted: a port that answers, a file that is written again and again."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from supervisor.errors import ListenError
from supervisor.log import log
from supervisor.metrics import file
from supervisor.metrics.collector import registry_of
from supervisor.metrics.port import Port
from supervisor.metrics.sources import Source
from supervisor.metrics.text import text_of

TERMINAL = frozenset({int(signal.SIGTERM), int(signal.SIGINT)})
"""What ends a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How metrics are shown."""

    listen: str | None = None
    """Host and port."""
    path: Path | None = None
    """The file that is written each ``interval`` seconds."""
    interval: float = 15.0


class Exporter:
    """Shows the metrics of one supervisor, whether it runs or not."""

    def __init__(self, source: Source, ways: Ways) -> None:
        self._source = source
        self._ways = ways
        self._port: Port | None = None
        self._failed = ""

    def listen(self) -> None:
        """Open the port, if one is wanted. Raises ListenError."""
        if self._ways.listen is not None and self._port is None:
            self._port = Port(self._ways.listen, registry_of(self._source))

    def run(self, ends: frozenset[int]) -> None:
        """Until one of these signals, which every thread has to block. What fails is logged and tried again."""
        due = time.monotonic()
        while True:
            self._try()
            due = max(due + self._ways.interval, time.monotonic())
            if signal.sigtimedwait(ends, max(0.0, due - time.monotonic())) is not None:
                return

    def _try(self) -> None:
        failed = ""
        try:
            self.listen()
            self._write()
        except (ListenError, OSError) as error:
            failed = str(error)
        if failed and failed != self._failed:
            log.error("%s; it is tried again each %g s", failed, self._ways.interval)
        self._failed = failed

    def _write(self) -> None:
        if self._ways.path is not None:
            file.write(self._ways.path, text_of(self._source.look()))

    def close(self, *, ended: bool) -> None:
        """Leave nothing that is out of date: where the supervisor has ended the file says so, else it goes."""
        if self._port is not None:
            self._port.close()
        path = self._ways.path
        try:
            if path is not None and ended:
                file.write(path, text_of(self._source.down()))
            elif path is not None:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.error("the file of metrics is left as it was: %s", error)
        self._source.close()
