"""Folding the log into the database, off the broker's loop.

A checkpoint reads and fsyncs; inside the loop it would hold every client up. SQLite lets another connection do it,
and releases Python's lock meanwhile, so a thread with a connection of its own is enough. The thread touches nothing
else of the broker's.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from pathlib import Path

_SLICE_BYTES = 4 << 20


class Checkpointer:
    """The helper thread of the journal at ``path``; :meth:`nudge` it after commits, :meth:`close` it at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = f"{path}-wal"
        self._wanted = threading.Event()
        self._closed = False
        self._done_at = 0
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Fold the log in if it has grown by more than a slice."""
        with contextlib.suppress(OSError):
            size = os.stat(self._wal).st_size
            if size < self._done_at:
                self._done_at = 0
            if size - self._done_at >= _SLICE_BYTES:
                self._done_at = size
                self._wanted.set()

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=1.0)
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed:
                break
            with contextlib.suppress(sqlite3.OperationalError):  # busy: the next nudge tries again
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        connection.close()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wanted.set()
        self._thread.join(timeout=5.0)
