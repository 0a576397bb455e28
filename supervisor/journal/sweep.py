"""Deleting what has outlived its time, a slice at a time, so that the queue never waits for it.

A walk through the rows in the order of arrival instead of an index on the end time: an index would cost every task
something when it ends. The slices fit themselves to the machine, and between two of them the queue has nine times as
long for itself.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice

from supervisor.core.moment import Moment
from supervisor.core.retention import Retention
from supervisor.ids import from_text
from supervisor.journal.archive import Archive, Remainder
from supervisor.journal.removal import Remover
from supervisor.log import log
from supervisor.payload_files import RESULT

_LEAST_ROWS, _MOST_ROWS = 16, 512
_SLICE_SECONDS = 0.002
_PAUSES = 9.0
_LEAST_PAUSE = 0.005
_LONGEST_REST = 60.0
_SHORTEST_REST = 0.5
_FILES = 128
_STRAY_SECONDS = 3600.0


class Sweeper:
    """Walks the journal, then the files beside it, then rests until something is due, a minute at most."""

    def __init__(self, archive: Archive, remover: Remover, retention: Retention) -> None:
        self._archive = archive
        self._remover = remover
        self._retention = retention
        self._slice = _LEAST_ROWS
        self._after = 0
        self._files: Iterator[os.DirEntry[str]] | None = None
        self._soonest = float("inf")
        """The wall-clock time at which the next of the rows that were seen is due."""
        self.next_time = 0.0
        """Monotonic time of the next step."""

    def step(self, now: Moment) -> None:
        """Look at the next slice. What cannot be deleted now, as when the disk is full, is left for the next walk."""
        started = time.monotonic()
        try:
            done = self._sweep_files(now) if self._files is not None else self._sweep_rows(now)
        except (sqlite3.Error, OSError) as error:
            log.warning("what has outlived its time cannot be cleared away: %s", error)
            self._after, self._files, done = 0, None, True
        took = time.monotonic() - started
        self._fit(took)
        self.next_time = now.mono + took + (self._rest(now) if done else max(_LEAST_PAUSE, _PAUSES * took))

    def _fit(self, took: float) -> None:
        if took > _SLICE_SECONDS:
            self._slice = max(_LEAST_ROWS, self._slice // 2)
        elif took < _SLICE_SECONDS / 4:
            self._slice = min(_MOST_ROWS, self._slice * 2)

    def _rest(self, now: Moment) -> float:
        """Seconds until the next walk: tasks may end meanwhile, and be due after the shortest of the times."""
        soonest, self._soonest = min(self._soonest - now.wall, self._retention.shortest / 2), float("inf")
        return min(_LONGEST_REST, max(_SHORTEST_REST, soonest))

    def _sweep_rows(self, now: Moment) -> bool:
        rows = self._archive.after(self._after, self._slice)
        records: list[Remainder] = []
        results: list[Remainder] = []
        for row in rows:
            fate = self._retention.fate(row.remains, now.wall)
            self._soonest = min(self._soonest, fate.next)
            if fate.record:
                records.append(row)
            elif fate.result:
                results.append(row)
        forget(self._archive, self._remover, records, results)
        if rows:
            self._after = rows[-1].seq
        if len(rows) < self._slice:
            self._after = 0
            self._files = os.scandir(self._remover.folder)
        return False

    def _sweep_files(self, now: Moment) -> bool:
        """Remove files whose task was never accepted, for its client died, or has another result by now."""
        assert self._files is not None
        found = list(islice(self._files, _FILES))
        self._remover.remove([entry.name for entry in found if self._is_stray(entry, now.wall)])
        if len(found) == _FILES:
            return False
        self._files = None
        return True

    def _is_stray(self, entry: os.DirEntry[str], wall: float) -> bool:
        try:
            if wall - entry.stat().st_mtime <= _STRAY_SECONDS:
                return False
        except FileNotFoundError:
            return False
        name, _, suffix = entry.name.partition(".")
        task_id = from_text(name)
        row = self._archive.find(task_id) if task_id is not None else None
        if row is None:
            return True
        return suffix == RESULT and row.remains.ended is not None and row.result_file is None


def forget(archive: Archive, remover: Remover | None, records: list[Remainder], results: list[Remainder]) -> None:
    """Delete tasks as a whole, and the results of others. The rows first: a file without its row is found later, a
    row without its file would promise what is gone.
    """
    if records or results:
        archive.forget([row.seq for row in records], [row.seq for row in results])
        if remover is not None:
            remover.remove([name for row in records for name in row.file_names])
            remover.remove([row.result_file for row in results if row.result_file is not None])
