"""Deleting what has outlived its time, a slice at a time, so that the queue never waits for it."""

from __future__ import annotations

import os
from pathlib import Path

from supervisor.ids import from_text, to_text
from supervisor.journal.journal import Journal
from supervisor.payload_files import ARGUMENTS, RESULT
from supervisor.wire.messages import Files

_SLICE = 500
_REST_SECONDS = 60.0
_STRAY_SECONDS = 3600.0


class Sweeper:
    """Walks the journal in the order of arrival; each :meth:`step` looks at one slice.

    A walk instead of an index on the end time: an index would cost every task something when it ends.
    """

    def __init__(self, journal: Journal, payloads: Path, result_ttl: float, record_ttl: float) -> None:
        self._journal = journal
        self._payloads = payloads
        self._result_ttl = result_ttl
        self._record_ttl = record_ttl
        self._after = 0
        self._rest_until = 0.0

    def step(self, wall: float) -> None:
        """Look at the next slice; after the last, rest for a minute."""
        if wall < self._rest_until and self._rest_until - wall <= _REST_SECONDS:
            return
        rows = self._journal.sweep(self._after, _SLICE)
        tasks: list[int] = []
        results: list[int] = []
        for seq, task_id, ended, has_result, files in rows:
            self._after = seq
            if ended is None:
                continue
            kept = has_result or bool(files & Files.RESULT)
            if kept and wall - ended > self._result_ttl:
                results.append(seq)
                self._remove(task_id, RESULT)
                kept = False
            if not kept and wall - ended > self._record_ttl:
                tasks.append(seq)
                if files & Files.ARGUMENTS:
                    self._remove(task_id, ARGUMENTS)
        if tasks or results:
            self._journal.forget(tasks, results)
        if len(rows) < _SLICE:
            self._after = 0
            self._rest_until = wall + _REST_SECONDS
            self._remove_strays(wall)

    def _remove_strays(self, wall: float) -> None:
        """Files whose task was never accepted, for its client died, or could not be told."""
        with os.scandir(self._payloads) as found:
            old = [entry for entry in found if _age(entry, wall) > _STRAY_SECONDS]
        for entry in old[:_SLICE]:
            task_id = from_text(entry.name.partition(".")[0])
            if task_id is None or self._journal.state_of(task_id) is None:
                Path(entry).unlink(missing_ok=True)

    def _remove(self, task_id: bytes, suffix: str) -> None:
        (self._payloads / f"{to_text(task_id)}.{suffix}").unlink(missing_ok=True)


def _age(entry: os.DirEntry[str], wall: float) -> float:
    try:
        return wall - entry.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # renamed into place, or removed, since the folder was read
