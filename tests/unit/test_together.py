"""What ties cost, what they keep, and what they refuse, beneath the broker's socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from supervisor import Task, TaskQueue, chain, group
from supervisor.broker.__main__ import open_book
from supervisor.broker.connection import Connection
from supervisor.broker.grants import grant
from supervisor.broker.output import OutputReader
from supervisor.broker.service import Service
from supervisor.broker.waiters import Waiter
from supervisor.core.moment import Moment
from supervisor.core.retention import Retention
from supervisor.core.ties import Fate, Ties
from supervisor.errors import DeadlockError, UnknownTaskError
from supervisor.ids import new_id, to_text
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.removal import Remover
from supervisor.journal.rows import Pieces
from supervisor.journal.sweep import Sweeper
from supervisor.scoreboard import Scoreboard
from supervisor.settings import Settings
from supervisor.states import State
from supervisor.wire.messages import ErrorData, Hello, Outcome, Report, Submission
from supervisor.wire.options import Options
from supervisor.wire.remote import RemoteError, rebuild
from supervisor.workflow import Draft
from tests.support import together_tasks as tasks

NOBODY: Any = None
"""In the place of a connection, where nothing is answered."""
NOW = Moment(1000.0, 1e9)
SETTINGS = Settings(max_retries=0, queue_limit=1_000_000, batch_size=1)
BOARD = Scoreboard.create()
KEEP = Retention(result_ttl=10.0, record_ttl=20.0, dead_ttl=20.0)


class Desk:
    """A service on a journal in memory, with one worker."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(Path("unused"), Durability.OFF)
        self.remover = Remover(folder)
        self.now = NOW
        self.open()

    def open(self) -> None:
        self.book = open_book(self.journal, SETTINGS, BOARD, self.now)
        self.service = Service(self.book, self.journal, BOARD, OutputReader(self.book, BOARD, 1000))
        self.service.now = self.now
        self.service.ended.retention = KEEP
        self.worker = self.book.hello(Hello(1, 1, 1, 1))

    def close(self) -> None:
        self.remover.close()
        self.journal.close()

    def submit(self, *submissions: Submission) -> list[bytes]:
        found = self.service.intake.accept(list(submissions))
        self.commit()
        return found

    def commit(self) -> None:
        self.journal.write(self.book.agenda.take_changes(self.now), Pieces())

    def run(self, outcome: Outcome = Outcome.SUCCEEDED, result: bytes = b"r") -> bytes:
        """The next task runs to its end; its id."""
        self.book.ask(self.worker, 1, self.now)
        ((lease,),) = (handout.leases for handout in self.book.assign(self.now))
        self.commit()
        assert self.book.complete(self.worker, Report(lease.number, outcome, result, ErrorData("E", "x")), self.now)
        self.commit()
        return lease.entry.id

    def state(self, task_id: bytes) -> State:
        found = self.journal.state_of(task_id)
        assert found is not None
        return found[1]

    def wait(self, seconds: float) -> None:
        self.now = self.service.now = Moment(self.now.mono + seconds, self.now.wall + seconds)

    def sweep(self) -> None:
        sweeper = Sweeper(self.journal.archive, self.remover, KEEP, self.book.agenda.dependencies)
        sweeper.step(self.now)
        while sweeper._files is not None:
            sweeper.step(self.now)

    def count(self, table: str) -> int:
        return int(self.journal._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path)
    yield found
    found.close()


def plain(options: Options | None = None, ties: Ties | None = None, expires: float = 0.0) -> Submission:
    return Submission(new_id(), "t", b"x", options or Options(), expires=expires, ties=ties)


# -- cost --------------------------------------------------------------------------------------------------------


def seconds_of(desk: Desk, count: int) -> float:
    """The processor time that a chain of so many, cancelled at its head, and a chord of so many take the core."""
    ids = [new_id() for _ in range(count)]
    line = [Submission(ids[0], "t", b"x")]
    line += [Submission(each, "t", b"x", ties=Ties([before])) for before, each in pairwise(ids)]
    members = [plain() for _ in range(count)]
    callback = plain(ties=Ties([each.id for each in members], Fate.RUN, Fate.RUN, count, listed=True))
    begun = time.process_time()
    desk.service.intake.accept(line)
    desk.book.cancel(ids[0], desk.now)
    desk.service.intake.accept([*members, callback])
    for member in members:
        desk.book.cancel(member.id, desk.now)
    took = time.process_time() - begun
    desk.commit()
    assert desk.state(ids[-1]) is State.CANCELLED, "the cascade comes to the end of the line"
    assert desk.state(callback.id) is State.QUEUED
    desk.book.cancel(callback.id, desk.now)
    desk.commit()
    assert not desk.book.agenda.dependencies.children
    return took


def test_ten_times_as_many_cost_ten_times_as_much(desk: Desk) -> None:
    seconds_of(desk, 100)
    few = min(seconds_of(desk, 1000) for _ in range(3))
    assert seconds_of(desk, 10_000) < 40 * few


def test_a_task_without_ties_carries_none(desk: Desk) -> None:
    (task_id,) = desk.submit(plain())
    assert desk.book.agenda.tasks[task_id].bond is None
    assert desk.count("ties") == desk.count("members") == 0
    assert len(msgspec.msgpack.encode(plain())) - len(msgspec.msgpack.encode(plain(ties=Ties([])))) < 0


# -- what is kept ------------------------------------------------------------------------------------------------


def test_results_stay_as_long_as_a_child_needs_them_and_no_longer(desk: Desk) -> None:
    brief, none = plain(Options(result_ttl=1.0)), plain(Options(store_result=False))
    gate = plain()
    parents = [brief.id, none.id]
    child = plain(ties=Ties([*parents, gate.id], takes=2, listed=True))
    desk.submit(brief, none, gate, child)
    desk.book.ask(desk.worker, 1, desk.now)
    ((lease,),) = (handout.leases for handout in desk.book.assign(desk.now))
    desk.commit()
    ties = desk.book.agenda.dependencies
    assert grant(lease, desk.journal, ties).store_result
    desk.book.ask(desk.worker, 1, desk.now)
    assert [desk.run(), desk.run()] == parents
    desk.wait(1000.0)
    desk.sweep()
    found = desk.service.together.handed(NOBODY, None, child.id, 0)
    assert [row and row.result for row in found.rows] == [b"r", b"r"]  # type: ignore[attr-defined]
    shown = [desk.service.inquiry.row(each, with_result=True) for each in parents]
    assert [row and row.result for row in shown] == [None, None], "to others they are what they would be without"
    desk.run()
    assert desk.state(child.id) is State.QUEUED
    desk.sweep()
    assert [row and row.result for row in desk.service.together.handed(NOBODY, None, child.id, 0).rows] == [b"r"] * 2  # type: ignore[attr-defined]
    desk.run()
    desk.sweep()
    assert [desk.journal.state_of(each) for each in parents] == [None, None]
    desk.wait(1000.0)
    desk.sweep()
    assert desk.count("tasks") == desk.count("ties") == 0


def test_nobody_stores_for_a_child_that_takes_nothing(desk: Desk) -> None:
    parent = plain(Options(store_result=False))
    desk.submit(parent, plain(ties=Ties([parent.id])))
    desk.book.ask(desk.worker, 1, desk.now)
    ((lease,),) = (handout.leases for handout in desk.book.assign(desk.now))
    desk.commit()
    granted = grant(lease, desk.journal, desk.book.agenda.dependencies)
    assert (granted.store_result, granted.extra) == (False, None)


def test_members_stay_together_until_the_last_has_ended(desk: Desk) -> None:
    family = new_id()
    members = [plain(ties=Ties([], group=family, size=2, position=position)) for position in range(2)]
    desk.submit(*members)
    desk.run()
    for _ in range(2):
        desk.wait(1000.0)
        desk.sweep()
        assert [task_id for task_id, *_ in desk.journal.ties.members(family)] == [each.id for each in members]
        desk.open()  # a new broker knows it too
    desk.run()
    desk.wait(1000.0)
    desk.sweep()
    assert desk.journal.ties.members(family) == []
    assert desk.count("tasks") == desk.count("ties") == desk.count("members") == 0


def test_a_dead_letter_that_a_child_goes_by_is_neither_dropped_nor_retried(desk: Desk) -> None:
    parent, gate = plain(), plain()
    child = plain(ties=Ties([parent.id, gate.id], on_failure=Fate.RUN))
    desk.submit(parent, gate, child)
    desk.run(Outcome.RAISED)
    assert desk.state(parent.id) is State.FAILED
    assert desk.service.ended.drop(NOBODY, None, parent.id, False) is False
    desk.run()
    desk.run()
    assert desk.service.ended.drop(NOBODY, None, parent.id, False) is True


# -- what is refused ---------------------------------------------------------------------------------------------


def test_nothing_is_accepted_where_a_parent_is_unknown_or_comes_later(desk: Desk) -> None:
    later = plain()
    for bad in (plain(ties=Ties([new_id()])), plain(ties=Ties([later.id]))):
        with pytest.raises(RemoteError) as caught:
            desk.service.intake.accept([plain(), bad, later])
        assert isinstance(rebuild(list(map(_listed, caught.value.as_value()))), UnknownTaskError)
    itself = new_id()
    with pytest.raises(RemoteError):
        desk.service.intake.accept([Submission(itself, "t", b"x", ties=Ties([itself]))])
    assert not desk.book.agenda.tasks


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_a_wait_that_can_never_end_is_found_through_ties_and_waits(desk: Desk) -> None:
    waiter, other = plain(), plain()
    child = plain(ties=Ties([waiter.id, other.id]))
    grandchild = plain(ties=Ties([child.id]))
    third = plain()
    desk.submit(waiter, other, child, grandchild, third)
    second = desk.book.hello(Hello(2, 2, 2, 1))
    desk.book.ask(desk.worker, 1, desk.now)
    desk.book.ask(second, 1, desk.now)
    desk.book.assign(desk.now)
    together = desk.service.together
    together.want_end(waiter.id, third.id)
    together.want_end(third.id, waiter.id)
    with pytest.raises(RemoteError) as caught:
        together.want_end(waiter.id, grandchild.id)
    error = rebuild(list(map(_listed, caught.value.as_value())))
    assert isinstance(error, DeadlockError)
    assert error.members == [f"t ({to_text(each.id)})" for each in (grandchild, child, waiter)]
    with pytest.raises(RemoteError):
        together.want_end(waiter.id, waiter.id)
    # Two that run: the second would close the circle.
    connection = object.__new__(Connection)
    asked = Waiter(connection, 0, other.id, True, 0.0, waiter.id)
    desk.service.waiters.add(asked)
    with pytest.raises(RemoteError):
        together.want_end(other.id, waiter.id)
    desk.service.waiters.drop(connection)
    together.want_end(other.id, waiter.id)
    assert not desk.service.waiters.awaited_by(waiter.id)


# -- drafts ------------------------------------------------------------------------------------------------------


def names(draft: Draft) -> list[str]:
    return [step.name for step in draft.nodes]


def test_a_draft_has_parents_before_their_children() -> None:
    add: Task[Any, Any] = tasks.add.on(TaskQueue("nowhere"))
    one, two, three, four = (add.options(name=name).step(1, 2) for name in ("one", "two", "three", "four"))
    two.after(four)
    draft = Draft.of(chain(one, group(two, three)))
    assert names(draft) == ["one", "four", "three", "two"]
    assert draft.ends == (two, three)
    assert {draft.nodes[step].group for step in (two, three)} == {draft.group}
    assert [draft.nodes[step].position for step in (two, three)] == [0, 1]


def test_a_draft_of_many_is_no_deeper_than_one_of_few() -> None:
    add: Task[Any, Any] = tasks.add.on(TaskQueue("nowhere"))
    long = chain(*(add.step(1) for _ in range(5000)))
    assert len(Draft.of(long).nodes) == 5000
    wide = group.of(add, [(1, 2)] * 5000).then(add.step())
    assert len(Draft.of(wide).nodes) == 5001
