"""How long a process has given no sign of life, as far as we were there to see it."""

from __future__ import annotations

_LONGEST_STEP_NS = 1_000_000_000


class Pulse:
    """Watches a heartbeat from look to look, a look twice a second or so.

    Time in which we did not look counts for no more than a second: a container that was paused, or a machine that
    was, stops everybody alike, and whoever wakes first must not take the others for dead.
    """

    def __init__(self) -> None:
        self._beat: int | None = None
        self._looked_ns = 0
        self._silent_ns = 0

    def silent_ns(self, beat: int, now_ns: int) -> int:
        """For how long ``beat`` has not changed; 0 at the first look."""
        if beat != self._beat:
            self._beat = beat
            self._silent_ns = 0
        else:
            self._silent_ns += min(now_ns - self._looked_ns, _LONGEST_STEP_NS)
        self._looked_ns = now_ns
        return self._silent_ns
