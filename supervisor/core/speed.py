"""How fast a task goes on, by what it has told of late. Pure: the time is passed in."""

from __future__ import annotations

from collections import deque

_WINDOW_SECONDS = 15.0
_LEAST, _MOST = 5, 200
"""Reports that count at least, however old; and at most."""


class Speed:
    """The reports of one attempt, those of the last seconds, or the last few where they are rare."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, float]] = deque(maxlen=_MOST)

    def add(self, now: float, done: float) -> float | None:
        """So much is done; how much is done in a second. None while that is not known.

        What goes back begins anew: another part of the work, say.
        """
        told = self._told
        if told and done < told[-1][1]:
            told.clear()
        told.append((now, done))
        while len(told) > _LEAST and now - told[0][0] > _WINDOW_SECONDS:
            told.popleft()
        since, before = told[0]
        return (done - before) / (now - since) if now > since and done > before else None
