"""A point in time on both clocks."""

from __future__ import annotations

import time
from typing import NamedTuple


class Moment(NamedTuple):
    """Monotonic seconds for deadlines and delays, wall-clock seconds for what is stored or shown."""

    mono: float
    wall: float

    @classmethod
    def now(cls) -> Moment:
        """The present."""
        return cls(time.monotonic(), time.time())

    def wall_at(self, mono: float) -> float:
        """The wall-clock time of a monotonic one."""
        return self.wall + (mono - self.mono)

    def mono_at(self, wall: float) -> float:
        """The monotonic time of a wall-clock one."""
        return self.mono + (wall - self.wall)
