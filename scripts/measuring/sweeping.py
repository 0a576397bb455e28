"""How long the queue waits for a step of the sweep, with many tasks that are due at once."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from supervisor.core.agenda import Agenda
from supervisor.core.book import Book
from supervisor.core.capacity import Capacity
from supervisor.core.dealer import BatchPolicy
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.moment import Moment
from supervisor.core.retention import Retention
from supervisor.ids import new_id
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.removal import Remover
from supervisor.journal.rows import Pieces
from supervisor.journal.sweep import Sweeper
from supervisor.wire.messages import Hello, Outcome, Report, Submission

NOW = Moment(1000.0, 1e9)
KEEP = Retention(86400.0, 86400.0, 86400.0)


def step_times(tasks: int) -> list[float]:
    """Seconds of processor time of each step of a walk that deletes all of these tasks."""
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        journal = Journal(Path(folder) / "journal.db", Durability.NORMAL)
        _fill(journal, tasks)
        remover = Remover(Path(folder) / "payloads")
        remover.folder.mkdir()
        sweeper = Sweeper(journal.archive, remover, KEEP)
        times: list[float] = []
        while sweeper.next_time < 0.5:  # until it rests
            started = time.thread_time()
            sweeper.step(Moment(0.0, NOW.wall + 2 * 86400))
            times.append(time.thread_time() - started)
        remover.close()
        journal.close()
    return times


def _fill(journal: Journal, tasks: int) -> None:
    book = Book(Agenda(Kinds(Defaults()), Capacity(tasks)), BatchPolicy(1000, 10.0))
    book.dealer.pace.saw("t", 1e-6)
    worker = book.hello(Hello(1, 1, 1, 1))
    for _ in range(tasks):
        book.agenda.submit(Submission(new_id(), "t", b"x" * 200), NOW)
    while book.ask(worker, 1000, NOW) == 0 and (handouts := book.assign(NOW)):
        for lease in list(handouts[0].leases):
            book.complete(worker, Report(lease.number, Outcome.SUCCEEDED, b"r" * 50), NOW)
        journal.write(book.agenda.take_changes(NOW), Pieces())
