"""The call for metrics: what was counted since this broker's start, as it is, and what there is now.

Counted anew with each broker: totals that go on across restarts fall where a kill takes their last second along, and
whoever watches takes a counter that falls for one that began at zero, and counts all of it once more.
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from supervisor import __version__
from supervisor.broker.commits import Commits
from supervisor.broker.connection import Connection
from supervisor.core.internal import INTERNAL
from supervisor.core.internal import QUEUE as OWN_QUEUE
from supervisor.core.tallies import OTHER
from supervisor.core.tally import Spread, Tally
from supervisor.journal.journal import Durability
from supervisor.settings import Settings
from supervisor.wire.figures import BrokerFigures, QueueRow, TaskRow, TimesRow

if TYPE_CHECKING:
    from supervisor.broker.service import Service

MOST_TASKS = 200
"""Pairs of queue and name that are told apart."""
MOST_QUEUES = 100
_Pair = tuple[str, str]
K = TypeVar("K", bound=Hashable)


class Gauging:
    """A part of the service.

    Who is told apart is settled once and for all, first come, first served: a row that moved to the others, or from
    them, would have their counts jump.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.commits = Commits()
        self._reserve = 0
        self._pairs: set[_Pair] = set()
        self._queues: set[str] = set()

    def begin(self, settings: Settings) -> None:
        """With the settings of this start."""
        self._reserve = 0 if settings.durability == Durability.OFF else settings.disk_reserve

    def figures(self, connection: Connection, ident: int | None) -> object:
        """All of it."""
        agenda = self._service.book.agenda
        tallies = [tally for tally in agenda.kinds.tallies if tally.name not in INTERNAL]
        return BrokerFigures(
            version=__version__,
            python=platform.python_version(),
            sqlite=sqlite3.sqlite_version,
            accepting=not agenda.closed,
            limit=agenda.capacity.limit,
            disk_reserve=self._reserve,
            tasks=self._tasks(tallies),
            queues=self._rows(tallies),
            commits=list(self.commits.counts),
            commit_ns=self.commits.total_ns,
        )

    # -- by queue and name -------------------------------------------------------------------------------------

    def _tasks(self, tallies: Iterable[Tally]) -> list[TaskRow]:
        groups: dict[_Pair, list[Tally]] = {}
        for tally in tallies:
            pair = self._shown((tally.queue, tally.name), tally)
            if pair is not None:
                groups.setdefault(pair, []).append(tally)
        return [_task(queue, name, group) for (queue, name), group in groups.items()]

    def _shown(self, pair: _Pair, tally: Tally) -> _Pair | None:
        """As what a pair is shown; None for one that was heard of before this start alone."""
        if pair in self._pairs:
            return pair
        if not (tally.unfinished or tally.started or any(tally.ended_since_start().values())):
            return None
        if len(self._pairs) >= MOST_TASKS:
            return OTHER, OTHER
        self._pairs.add(pair)
        return pair

    # -- by queue ----------------------------------------------------------------------------------------------

    def _rows(self, tallies: Iterable[Tally]) -> list[QueueRow]:
        ready = self._service.book.agenda.waiting.ready.queues
        groups: dict[str, list[Tally]] = {name: [] for name in ready if name != OWN_QUEUE}
        for tally in tallies:
            groups.setdefault(tally.queue, []).append(tally)
        shown: dict[str, QueueRow] = {}
        for name, group in groups.items():
            row = self._row(name, group)
            shown[row.name] = _sum(shown[row.name], row) if row.name in shown else row
        return list(shown.values())

    def _row(self, name: str, group: list[Tally]) -> QueueRow:
        queue = self._service.book.agenda.waiting.ready.queues.get(name)
        if len(self._queues) < MOST_QUEUES:
            self._queues.add(name)
        depth = sum(tally.depth for tally in group)
        later, retrying, blocked = (
            sum(tally.later for tally in group),
            sum(tally.retrying for tally in group),
            sum(tally.blocked for tally in group),
        )
        ready = depth if queue is None else min(depth, queue.count)
        since = [each for each in (tally.oldest() for tally in group) if each is not None]
        return QueueRow(
            name=name if name in self._queues else OTHER,
            ready=ready,
            limited=depth - ready,
            scheduled=later - retrying - blocked,
            retrying=retrying,
            blocked=blocked,
            running=sum(tally.running for tally in group),
            oldest_age=max(0.0, self._service.now.mono - min(since)) if since else None,
            paused=queue is not None and queue.paused,
        )


def _task(queue: str, name: str, group: list[Tally]) -> TaskRow:
    ended = _added(tally.ended_since_start() for tally in group)
    causes = _added(tally.causes_since_start() for tally in group)
    wait, run = _times([tally.wait for tally in group]), _times([tally.run for tally in group])
    return TaskRow(queue, name, ended, causes, wait, run)


def _times(spreads: list[Spread]) -> TimesRow:
    for spread in spreads:
        spread.sort_in()
    return TimesRow(_added(spread.ever for spread in spreads), sum(spread.ever_total for spread in spreads))


def _added(counts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    """The sum of these, without what is 0. (A Counter's own costs three times as much, and the broker stands still.)"""
    whole: dict[K, int] = {}
    known = whole.get
    for each in counts:
        for key, count in each.items():
            if count:
                whole[key] = known(key, 0) + count
    return whole


def _sum(one: QueueRow, other: QueueRow) -> QueueRow:
    ages = [age for age in (one.oldest_age, other.oldest_age) if age is not None]
    return QueueRow(
        one.name,
        one.ready + other.ready,
        one.limited + other.limited,
        one.scheduled + other.scheduled,
        one.retrying + other.retrying,
        one.blocked + other.blocked,
        one.running + other.running,
        max(ages, default=None),
        one.paused or other.paused,
    )
