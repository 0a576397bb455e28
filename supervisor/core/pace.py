"""How long the tasks of each name take, to tell which may be handed out several at a time."""

from __future__ import annotations

_WEIGHT = 0.2


class Pace:
    """A running mean of seconds a name. A single slow run weighs at once, fast ones make up for it slowly."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def saw(self, name: str, seconds: float) -> None:
        """A task of this name took so long."""
        old = self._seconds.get(name)
        if old is None or seconds > old:
            self._seconds[name] = seconds
        else:
            self._seconds[name] = old + _WEIGHT * (seconds - old)

    def expected(self, name: str) -> float:
        """Seconds that the next one will probably take; infinity when nothing is known."""
        return self._seconds.get(name, float("inf"))
