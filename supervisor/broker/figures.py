"""From what is counted to what callers read: worked out when somebody asks, off every task's way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from supervisor.core.histogram import Histogram
from supervisor.core.internal import INTERNAL
from supervisor.core.retention import DEAD
from supervisor.core.tally import MINUTE, Tally
from supervisor.queue_stats import Figures, Times
from supervisor.states import State


class Counted:
    """The tallies at one moment, but for those of our own tasks; ``since`` is the monotonic time from which on they were counted."""

    def __init__(self, tallies: Iterable[Tally], mono: float, since: float) -> None:
        self._tallies = [tally for tally in tallies if tally.name not in INTERNAL]
        self._mono = mono
        self._since = since
        self._known: dict[tuple[Tally, ...], Figures] = {}
        """Often one name has a queue of its own, or all there is."""

    def total(self) -> Figures:
        """Of all tasks."""
        return self._of(self._tallies)

    def by(self, attribute: str) -> dict[str, Figures]:
        """By ``queue`` or ``name``."""
        groups: dict[str, list[Tally]] = {}
        for tally in self._tallies:
            groups.setdefault(getattr(tally, attribute), []).append(tally)
        return {name: self._of(group) for name, group in sorted(groups.items())}

    def _of(self, group: list[Tally]) -> Figures:
        key = tuple(group)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = figures(group, self._mono, self._since)
        return found


def figures(found: list[Tally], mono: float, since: float) -> Figures:
    """The numbers of these tallies together."""
    ended: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    wait, run = Histogram(), Histogram()
    for tally in found:
        ended.update(tally.all_ended())
        causes.update(tally.causes)
        tally.wait.add_to(wait)
        tally.run.add_to(run)
    oldest = min((at for at in (tally.oldest() for tally in found) if at is not None), default=None)
    failed = sum(ended[state.value] for state in DEAD)
    succeeded = ended[State.SUCCEEDED.value]
    lately = sum(tally.lately(mono) for tally in found)
    return Figures(
        depth=sum(tally.depth for tally in found),
        delayed=sum(tally.later for tally in found),
        running=sum(tally.running for tally in found),
        oldest_age=None if oldest is None else max(0.0, mono - oldest),
        succeeded=succeeded,
        failed=failed,
        ended=dict(ended),
        causes=dict(causes),
        executed=sum(tally.executed for tally in found),
        last_minute=lately,
        throughput=lately / min(MINUTE, max(1.0, mono - since)),
        error_rate=failed / (failed + succeeded) if failed else 0.0,
        wait=_times(wait),
        run=_times(run),
    )


def _times(found: Histogram) -> Times:
    return Times(found.count, found.mean, *found.quantiles(0.5, 0.95, 0.99))
