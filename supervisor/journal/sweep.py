"""Deleting what has outlived its time, a slice at a time, so that the queue never waits for it.

A walk through the rows in the order of arrival instead of an index on the end time: an index would cost every task
something when it ends, and looking at a row costs half a microsecond. The slices fit themselves to the machine, and
between two of them the queue has nine times as long for itself. A result that is due is not given out any more, walked
over or not, so the walks need not come often.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice

from supervisor.core.dependencies import Dependencies
from supervisor.core.moment import Moment
from supervisor.core.retention import Retention
from supervisor.ids import from_text
from supervisor.journal.archive import Archive, Remainder
from supervisor.journal.removal import Remover
from supervisor.log import log
from supervisor.payload_files import RESULT

_LEAST_ROWS, _MOST_ROWS = 256, 4096
"""Looked at in a step."""
_MOST_DUE = 64
"""Tasks, of which something is deleted in a step."""
LEAST_HISTORY, MOST_HISTORY = 16, 256
"""Rows of attempts and output that are deleted in a step."""
_SLICE_SECONDS = 0.002
_PAUSES = 9.0
_LEAST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
_SHORTEST_REST, _LONGEST_REST = 0.5, 600.0
_RESTS_A_TTL = 20.0
_FILES = 128
_STRAY_SECONDS = 3600.0


class Sweeper:
    """Walks the journal, then the files beside it, then rests for a part of the shortest time, ten minutes at most."""

    def __init__(
        self, archive: Archive, remover: Remover, retention: Retention, dependencies: Dependencies | None = None
    ) -> None:
        self._archive = archive
        self._remover = remover
        self._dependencies = dependencies or Dependencies()
        self.retention = retention
        self._slice = _LEAST_ROWS
        self._history = MOST_HISTORY
        self._after = 0
        self._files: Iterator[os.DirEntry[str]] | None = None
        self.next_time = 0.0
        """Monotonic time of the next step."""
        self.rests = False
        """The last step was the end of a walk."""

    def step(self, now: Moment) -> None:
        """Look at the next slice. What cannot be deleted now, as when the disk is full, is left for the next walk."""
        started = time.monotonic()
        try:
            done = self._sweep_files(now) if self._files is not None else self._sweep_rows(now)
        except (sqlite3.Error, OSError) as error:
            log.warning("what has outlived its time cannot be cleared away: %s", error)
            self._after, self._files, done = 0, None, True
        took = time.monotonic() - started
        self.rests = done
        self._fit(took)
        self.next_time = now.mono + took + (self._rest if done else _pause(took))

    def _fit(self, took: float) -> None:
        if took > _SLICE_SECONDS:
            self._slice = max(_LEAST_ROWS, self._slice // 2)
            self._history = max(LEAST_HISTORY, self._history // 2)
        elif took < _SLICE_SECONDS / 4:
            self._slice = min(_MOST_ROWS, self._slice * 2)
            self._history = min(MOST_HISTORY, self._history * 2)

    @property
    def _rest(self) -> float:
        return min(_LONGEST_REST, max(_SHORTEST_REST, self.retention.shortest / _RESTS_A_TTL))

    def _sweep_rows(self, now: Moment) -> bool:
        keep, wall, wanted = self.retention, now.wall, self._slice
        count, last = self._archive.span(self._after, wanted)
        due = self._archive.due(self._after + 1, last, _MOST_DUE, keep, wall)
        free = self._not_needed(due)
        records = [row for row in free if keep.record_until(row.remains) <= wall]
        results = [row for row in free if keep.result_until(row.remains) <= wall < keep.record_until(row.remains)]
        gone = forget(self._archive, self._remover, records, results, self._history)
        if gone < len(records):
            self._after = records[gone].seq - 1  # the next step goes on with what is left of its history
        elif len(due) == _MOST_DUE:
            self._after = due[-1].seq
        elif count == wanted:
            self._after = last
        else:
            self._after, self._files = 0, os.scandir(self._remover.folder)
        return False

    def _not_needed(self, due: list[Remainder]) -> list[Remainder]:
        """Those that no unfinished task goes by: a child, or a member of the same group."""
        ties = self._dependencies
        if ties.groups and due:
            families = self._archive.families(due[0].seq, due[-1].seq)
            due = [row for row in due if not any(each in ties.groups for each in families.get(row.seq, ()))]
        return [row for row in due if row.id not in ties.children] if ties.children else due

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


def _pause(took: float) -> float:
    return min(_LONGEST_PAUSE, max(_LEAST_PAUSE, _PAUSES * took))


def forget(
    archive: Archive, remover: Remover | None, records: list[Remainder], results: list[Remainder], most: int
) -> int:
    """Delete tasks as a whole, and the results of others; see :meth:`Archive.forget`. The rows first: a file without
    its row is found later, a row without its file would promise what is gone.
    """
    if not records and not results:
        return 0
    gone, items = archive.forget([row.seq for row in records], [row.seq for row in results], most)
    if remover is not None:
        remover.remove(items)
        remover.remove([name for row in records[:gone] for name in row.file_names])
        remover.remove([row.result_file for row in results if row.result_file is not None])
    return gone
