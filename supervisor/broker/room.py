"""Whether the disk has room for what is submitted.

Submits are refused while there is still some left: what was accepted before has to start, end and be written down. When
even that is taken, by somebody else, the broker waits with what it was about to commit (see
:mod:`supervisor.broker.settling`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from supervisor.errors import JournalFullError
from supervisor.wire.remote import RemoteError

_LOOK_SECONDS = 0.1
_UNIT = 1 << 20
_EACH = 16 << 10
"""What a submit takes beside its payload, generously: a few pages, in the log and then in the database."""


class Shelf(Protocol):
    """What lies on the disk."""

    def wal_bytes(self) -> int:
        """The size of the log, which has to be copied into the database before it can go."""
        ...

    def shrink(self) -> None:
        """Give back what is not needed."""
        ...


class Room:
    """Looks at the disk of ``folder``, ten times a second at most as long as there is much of it; ``reserve`` bytes are
    not for submits.
    """

    def __init__(self, folder: Path, reserve: int, shelf: Shelf) -> None:
        self._folder = folder
        self._reserve = reserve
        self._shelf = shelf
        self._look_at = 0.0
        self._shrink_at = 0.0
        self._left = 0
        """How much may come in before the next look."""
        self._lacking = ""

    def want(self, payload: int, mono: float) -> None:
        """Raise JournalFullError when a payload of so many bytes may not be taken in at this monotonic time."""
        if not self._reserve:
            return
        self._left -= 2 * payload + _EACH
        if self._left < 0 or mono >= self._look_at:
            self._look_at = mono + _LOOK_SECONDS
            self._look(mono)
        if self._lacking:
            raise RemoteError(JournalFullError, self._lacking)

    def tidy(self, mono: float) -> None:
        """Where there is little room, see to it that the log takes none that it does not need: it grows by all that
        is written, and as a rule is begun anew only when it is large.
        """
        if self._reserve and mono >= self._shrink_at:
            self._shrink_at = mono + _LOOK_SECONDS
            if self._free() < self._reserve:
                self._shelf.shrink()

    def _look(self, mono: float) -> None:
        self.tidy(mono)
        free = self._free()
        self._left = free - self._reserve
        left, kept = max(0, free) / _UNIT, self._reserve / _UNIT
        self._lacking = (
            f"{left:.1f} MiB are free in {self._folder}, and disk_reserve keeps {kept:.1f} MiB for what is queued"
            if self._left < 0
            else ""
        )

    def _free(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize - self._shelf.wal_bytes()
