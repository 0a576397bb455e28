"""Bringing a book back to where the journal left it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby

from supervisor.core.book import Book
from supervisor.core.dependencies import End
from supervisor.core.entry import Entry, Lease, Worker
from supervisor.core.keys import NO_KEYS, Keys
from supervisor.core.moment import Moment
from supervisor.core.ties import Bond
from supervisor.states import State


class Restoration:
    """Tasks and their leases first, in the order of seq; then their ties and the keys, which depend on
    what is unfinished.
    """

    def __init__(self, book: Book, now: Moment) -> None:
        self._book = book
        self._agenda = book.agenda
        self._now = now
        self._since = -math.inf

    def task(self, entry: Entry) -> None:
        """An unfinished task."""
        agenda = self._agenda
        agenda.hold(entry)
        if entry.expires:
            agenda.waiting.expiries.add(entry)
        if entry.state is State.QUEUED:
            # Each at the end of its line, whatever the wall clock did as they came in.
            if entry.since > self._since:
                self._since = entry.since
            else:
                entry.since = self._since
        agenda.waiting.restore(entry)

    def newcomers(self, entries: list[Entry]) -> None:
        """Tasks that follow each other, of one block, and only wait for a worker: a run of one kind at a time."""
        since = self._since
        for entry in entries:
            if entry.since > since:
                since = entry.since
            else:
                entry.since = since
        self._since = since
        for _, run in groupby(entries, key=_line_of):
            alike = list(run)
            self._agenda.hold_all(alike)
            self._agenda.waiting.restore_all(alike)

    def ties(self, task_id: bytes, bond: Bond, ends: Mapping[bytes, End]) -> None:
        """The ties of an unfinished task, once all tasks are there; ``ends`` tells of parents that have ended."""
        self._book.agenda.resume(self._book.agenda.tasks[task_id], bond, ends, self._now)

    def lease(self, lease: Lease, worker: Worker) -> None:
        """The lease of a task that the journal calls running."""
        book, now = self._book, self._now
        book.leases[lease.number] = lease
        holder = book.workers.setdefault(worker.number, worker)
        book.busy += not holder.leases
        holder.leases.append(lease)
        claimed, tally = min(now.mono, now.mono_at(lease.started_wall)), lease.entry.kind.tally
        tally.running += 1
        tally.claimed_before(claimed)  # the totals may be a second older
        if lease.entry.keys is not NO_KEYS and lease.entry.asking is None:
            book.agenda.waiting.gates.enter(lease.entry, lease.number, claimed)

    def queue(self, name: str, weight: float, *, paused: bool) -> None:
        """A named queue that is not as a new one is."""
        ready = self._book.agenda.waiting.ready
        ready.queue(name).weight = weight
        ready.pause(name, paused=paused)

    def key(self, task_id: bytes, keys: Keys, created: float) -> None:
        """Who holds a unique key, by the journal's word on a task with keys, ended or not."""
        unique, book = keys.unique, self._book
        if unique is None:
            return
        entry = book.agenda.tasks.get(task_id)
        if unique.until == "period":
            if created + unique.seconds > self._now.wall:
                book.agenda.uniques.take(unique, task_id, created)
        elif entry is not None and not (unique.until == "started" and (entry.attempts or entry.state is State.RUNNING)):
            book.agenda.uniques.take(unique, task_id, created)

    def start(self, keys: Keys, started: float) -> None:
        """A task with these keys started then, on the wall clock."""
        rate, now = keys.rate, self._now
        if rate is None:
            return
        _, seconds = self._book.agenda.waiting.gates.rates.get(rate.key, (rate.most, rate.seconds))
        if now.wall - started < seconds:
            self._book.agenda.waiting.gates.remember_start(rate, min(now.mono, now.mono_at(started)))


def _line_of(entry: Entry) -> tuple[int, int, int]:
    """What is the same for tasks of one kind that stand in one line."""
    return id(entry.kind), entry.priority, entry.generation
