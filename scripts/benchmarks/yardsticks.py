"""What the machine itself can do, in the same call as what is compared and in the same tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scripts.benchmarks.peer import Figure
from scripts.measuring.limits import forks, median_round_trip, sqlite_commits

_LIMITS: dict[str, dict[str, Callable[[], float]]] = {
    "drain": {"*a process forked and waited for*": forks},
    "submits": {
        "*a round trip over a Unix socket*": lambda: 1 / median_round_trip(),
        "*an SQLite commit of a row, NORMAL*": lambda: sqlite_commits("NORMAL"),
        "*an SQLite commit of a row, FULL*": lambda: sqlite_commits("FULL"),
    },
    "starts": {"*a round trip over a Unix socket*": lambda: 1 / median_round_trip()},
}


def yardsticks(measure: str) -> Iterator[Figure]:
    """The limits that belong beside a measure, a second."""
    for name, limit in _LIMITS[measure].items():
        yield Figure(name, measure, limit(), "", "a limit of this machine")
