"""The guardian's other child: the process that shows metrics, where the settings want one."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from supervisor import signals
from supervisor.directory import Directory
from supervisor.launch import Started, start
from supervisor.log import log
from supervisor.settings import Settings

_FIRST_BACKOFF = 1.0
_LONGEST_BACKOFF = 60.0
_STEADY_SECONDS = 60.0
_END_SECONDS = 5.0
"""A look that has just begun may wait twice for an answer."""


class ExporterHandle:
    """Starts it, and starts another when it dies. Nothing else waits for it, nor depends on it."""

    def __init__(self, directory: Directory, settings: Settings) -> None:
        self._directory = directory
        self._wanted = settings.metrics_listen is not None or settings.metrics_file is not None
        self._process: Started | None = None
        self._started = self._backoff = 0.0
        self._start_at = 0.0

    def pids(self) -> list[int]:
        """Its pid, while it runs."""
        return [] if self._process is None else [self._process.pid]

    def keep(self) -> None:
        """Start it where it does not run, after failures with a pause."""
        now = time.monotonic()
        if self._process is not None and self._process.ended():
            self._lost(self._process, now)
        if self._wanted and self._process is None and now >= self._start_at:
            arguments = [f"--dir={self._directory}", f"--guardian={os.getpid()}"]
            try:
                self._process, self._started = start("supervisor.metrics", arguments, []), now
            except OSError as error:  # no process more is allowed: the guardian has more to see to
                self._put_off(now)
                log.error("what shows metrics cannot be started: %s", error)

    def _lost(self, process: Started, now: float) -> None:
        os.close(process.pidfd)
        self._process = None
        if now - self._started > _STEADY_SECONDS:
            self._backoff = 0.0
        self._put_off(now)
        log.error("what shows metrics (pid %d) died; another starts in %.0f s", process.pid, self._backoff)

    def _put_off(self, now: float) -> None:
        self._backoff = min(_LONGEST_BACKOFF, max(_FIRST_BACKOFF, 2 * self._backoff))
        self._start_at = now + self._backoff

    def end(self) -> None:
        """End it; it has a moment to write down that the supervisor has ended."""
        process = self._process
        self._process, self._wanted = None, False
        if process is None:
            return
        for signum in (signals.END, signal.SIGKILL):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process.pidfd, signum)
            if process.ended(_END_SECONDS):
                break
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        os.close(process.pidfd)
