"""Callers that wait for a task to end: their replies are kept back until it does, or their time is up."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Generic, TypeVar

from supervisor.broker.connection import Connection


@dataclass(slots=True, eq=False)
class Waiter:
    """One call that waits."""

    connection: Connection
    ident: int | None
    task_id: bytes
    with_result: bool
    until: float
    by: bytes = b""
    """The task that waits, where one does; empty for any other caller."""
    done: bool = False


W = TypeVar("W", bound=Waiter)


class Waiters(Generic[W]):
    """Who waits for what, and until when."""

    def __init__(self) -> None:
        self._by_task: dict[bytes, list[W]] = {}
        self._by_connection: dict[Connection, set[W]] = {}
        self._by_time: list[tuple[float, int, W]] = []
        self._within: dict[bytes, list[W]] = {}
        """The calls of tasks that run, by who waits."""
        self._serial = 0

    def __len__(self) -> int:
        return sum(map(len, self._by_connection.values()))

    def __bool__(self) -> bool:
        return bool(self._by_connection)

    def add(self, waiter: W) -> None:
        """Remember a call."""
        self._by_task.setdefault(waiter.task_id, []).append(waiter)
        self._by_connection.setdefault(waiter.connection, set()).add(waiter)
        if waiter.by:
            self._within.setdefault(waiter.by, []).append(waiter)
        self._serial += 1
        heapq.heappush(self._by_time, (waiter.until, self._serial, waiter))

    def awaited_by(self, task_id: bytes) -> list[bytes]:
        """What a task that runs waits for itself."""
        return [waiter.task_id for waiter in self._within.get(task_id, ())]

    def ended(self, task_id: bytes) -> list[W]:
        """The calls that waited for this task, which are waiting no more."""
        found = self._by_task.pop(task_id, [])
        for waiter in found:
            self._finish(waiter)
        return found

    def expired(self, now: float) -> list[W]:
        """The calls whose time is up."""
        found: list[W] = []
        while self._by_time and (self._by_time[0][0] <= now or self._by_time[0][2].done):
            _, _, waiter = heapq.heappop(self._by_time)
            if not waiter.done:
                self._remove(waiter)
                self._finish(waiter)
                found.append(waiter)
        return found

    def _remove(self, waiter: W) -> None:
        others = self._by_task[waiter.task_id]
        others.remove(waiter)
        if not others:
            del self._by_task[waiter.task_id]

    def _finish(self, waiter: W) -> None:
        self._let_go(waiter)
        others = self._by_connection[waiter.connection]
        others.remove(waiter)
        if not others:
            del self._by_connection[waiter.connection]

    def _let_go(self, waiter: W) -> None:
        waiter.done = True
        if waiter.by:
            others = self._within[waiter.by]
            others.remove(waiter)
            if not others:
                del self._within[waiter.by]

    def drop(self, connection: Connection) -> None:
        """The connection is gone, and its calls with it."""
        for waiter in self._by_connection.pop(connection, ()):
            self._let_go(waiter)
            self._remove(waiter)

    def next_time(self) -> float | None:
        """When :meth:`expired` will find somebody."""
        return self._by_time[0][0] if self._by_time else None
