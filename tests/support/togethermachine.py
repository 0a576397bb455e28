"""Tasks that depend on each other, driven at random through the broker's service, the journal and restarts.

What must hold is said in words of its own: of each task, by what its parents have come to. The service does the rest:
tasks are submitted, cancelled and retried as clients do it, and everything is read back as a restart would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.broker.__main__ import open_book
from supervisor.broker.output import OutputReader
from supervisor.broker.service import Service
from supervisor.core.entry import Death, Entry, Lease, Worker
from supervisor.core.moment import Moment
from supervisor.core.retention import DEAD
from supervisor.core.ties import Fate, Ties
from supervisor.errors import TaskNeededError
from supervisor.ids import new_id, to_text
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.rows import Pieces
from supervisor.scoreboard import Scoreboard
from supervisor.settings import Settings
from supervisor.states import Cause, State
from supervisor.wire.messages import ErrorData, Hello, Outcome, Report, Submission
from supervisor.wire.options import Options
from supervisor.wire.remote import RemoteError

T = TypeVar("T")
SETTINGS = Settings(
    max_retries=0, retry_delay=0.0, retry_jitter=0.0, crash_budget=1, abort_budget=2, batch_size=2, timeout=60.0
)
OPTIONS = Options()
ANY = st.integers(0, 100)
FATES = st.sampled_from(Fate)
WAITS = (State.BLOCKED, State.SCHEDULED, State.QUEUED)
BOARD = Scoreboard.create()
NOBODY: Any = None
"""In the place of a connection, where the answer is not sent."""


@dataclass
class Model:
    """What is known of one task without asking the book."""

    submission: Submission
    ended: State | None = None
    """How it ended, once that was seen."""
    runs: int = 0
    """How often it has succeeded since it was taken up last."""
    retried: int = 0

    @property
    def ties(self) -> Ties:
        return self.submission.ties or Ties([])


class TogetherMachine(RuleBasedStateMachine):
    """A few workers, and tasks that wait for others."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Moment(1000.0, 1e9)
        self.journal = Journal(Path("unused"), Durability.OFF)
        self.models: dict[bytes, Model] = {}
        self.groups: dict[bytes, list[bytes]] = {}
        self.callbacks: list[bytes] = []
        self.number = 0
        self.open()

    # -- help --------------------------------------------------------------------------------------------------

    def open(self) -> None:
        self.book = open_book(self.journal, SETTINGS, BOARD, self.now)
        self.service = Service(self.book, self.journal, BOARD, OutputReader(self.book, BOARD, 1000))
        self.service.now = self.now

    def commit(self) -> None:
        """A turn ends: hand out, write."""
        self.book.agenda.tick(self.now)
        handouts = self.book.assign(self.now)
        for handout in handouts:
            for lease in handout.leases:
                self.handed(lease)
        self.journal.write(self.book.agenda.take_changes(self.now), Pieces())
        self.see_ends()

    def handed(self, lease: Lease) -> None:
        for state in self.parents_of(self.models[lease.entry.id]):
            assert state.ended, "no child too early"

    def state_of(self, task_id: bytes) -> State:
        found = self.journal.state_of(task_id)
        assert found is not None
        return found[1]

    def parents_of(self, model: Model) -> list[State]:
        """What the parents have come to, in this very turn too."""
        agenda = self.book.agenda
        found = []
        for each in model.ties.parents:
            entry = agenda.tasks.get(each) or agenda.changes.ended.get(each)
            found.append(self.state_of(each) if entry is None else entry.state)
        return found

    def see_ends(self) -> None:
        """What has ended since the last turn has a reason to."""
        for task_id, model in self.models.items():
            if model.ended is not None or task_id in self.book.agenda.tasks:
                continue
            row = self.journal.task(task_id, with_result=False)
            assert row is not None
            model.ended = State(row.state)
            assert model.ended.ended
            if row.cause == Cause.PARENT:
                assert row.error is not None
                self.explain(model, row.error.message)

    def explain(self, model: Model, message: str) -> None:
        """The parent that is named has ended so that this came of it."""
        (named,) = [each for each in model.ties.parents if to_text(each) in message]
        what = self.fate(model, self.state_of(named))
        assert model.ended is (State.CANCELLED if what is Fate.CANCEL else State.FAILED)
        assert what is not Fate.RUN
        assert not model.runs, "it never ran"

    @staticmethod
    def fate(model: Model, state: State) -> Fate:
        if state is State.SUCCEEDED:
            return Fate.RUN
        return model.ties.on_failure if state in DEAD else model.ties.on_cancel

    def entries(self) -> list[Entry]:
        return list(self.book.agenda.tasks.values())

    def busy(self) -> list[Worker]:
        return [worker for worker in self.book.workers.values() if worker.leases]

    def join(self) -> None:
        self.number += 1
        worker = self.book.hello(Hello(self.number, self.number % 1000, 10_000 + self.number, 1))
        self.book.ask(worker, 2, self.now)

    def accept(self, submissions: list[Submission]) -> None:
        """Submit them in one call; sometimes the answer is lost, at once or later."""
        ids = self.service.intake.accept(submissions)
        assert ids == [each.id for each in submissions]
        self.models |= {each.id: Model(each) for each in submissions}

    # -- what happens ------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.join()
        self.join()

    @rule(
        data=st.data(),
        count=st.integers(1, 3),
        delay=st.sampled_from((0.0, 0.0, 5.0)),
        expires=st.sampled_from((0.0, 0.0, 8.0)),
        again=st.booleans(),
    )
    def submit(self, data: st.DataObject, count: int, delay: float, expires: float, again: bool) -> None:
        """Several at once, each after any others that there are, ended ones too."""
        made: list[Submission] = []
        for _ in range(count):
            there = [*self.models, *(each.id for each in made)]
            parents = data.draw(st.lists(st.sampled_from(there), max_size=3, unique=True)) if there else []
            ties = Ties(parents, data.draw(FATES), data.draw(FATES)) if parents else None
            made.append(Submission(new_id(), "t", b"x", OPTIONS, delay, expires=expires, ties=ties))
        self.accept(made)
        if again:
            self.repeat(made)
        self.commit()

    @rule(count=st.integers(0, 4), length=st.integers(1, 3), fate=FATES, again=st.booleans())
    def chord(self, count: int, length: int, fate: Fate, again: bool) -> None:
        """Chains side by side, and one task after all of them."""
        group = new_id()
        made: list[Submission] = []
        ends: list[bytes] = []
        for position in range(count):
            for step in range(length):
                before = [made[-1].id] if step else []
                place = position if step == length - 1 else -len(made) - 1
                ties = Ties(before, takes=len(before), group=group, size=count, position=place)
                made.append(Submission(new_id(), "t", b"x", OPTIONS, ties=ties))
            ends.append(made[-1].id)
        callback = Submission(new_id(), "callback", b"x", OPTIONS, ties=Ties(ends, fate, fate, len(ends), listed=True))
        self.accept([*made, callback])
        self.callbacks.append(callback.id)
        if count:
            self.groups[group] = ends
        if again:
            self.repeat([*made, callback])
        self.commit()

    @precondition(lambda self: self.models)
    @rule(which=ANY)
    def submit_again(self, which: int) -> None:
        """The answer was lost: the same call comes once more, whatever has become of its task."""
        self.repeat([pick(list(self.models.values()), which).submission])
        self.commit()

    def ended_counts(self) -> Counter[str]:
        return sum((Counter(tally.all_ended()) for tally in self.book.agenda.kinds.tallies), Counter())

    def repeat(self, submissions: list[Submission]) -> None:
        before, ended = self.snapshot(), self.ended_counts()
        self.service.intake.accept([msgspec.structs.replace(each, again=True) for each in submissions])
        assert self.snapshot() == before, "a repeated call changes nothing"
        assert self.ended_counts() == ended

    @precondition(lambda self: self.busy())
    @rule(which=ANY, outcome=st.sampled_from((Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.RAISED)))
    def report(self, which: int, outcome: Outcome) -> None:
        worker = pick(self.busy(), which)
        lease = worker.leases[0]
        model = self.models[lease.entry.id]
        model.runs += outcome is Outcome.SUCCEEDED
        assert self.book.complete(worker, Report(lease.number, outcome, b"r", ErrorData("E", "by itself")), self.now)
        if not worker.leases:
            self.book.ask(worker, 2, self.now)
        self.commit()

    @precondition(lambda self: self.busy())
    @rule(which=ANY, cause=st.sampled_from((Cause.SIGNAL, Cause.TIMEOUT, Cause.SHUTDOWN, Cause.ABORT)))
    def kill(self, which: int, cause: Cause) -> None:
        worker = pick(self.busy(), which)
        self.book.die(worker.number, worker.leases[0].number, Death(cause, f"by {cause.value}"), self.now)
        self.join()
        self.commit()

    @precondition(lambda self: self.book.agenda.tasks)
    @rule(which=ANY)
    def cancel(self, which: int) -> None:
        self.book.cancel(pick(self.entries(), which).id, self.now)
        self.commit()

    @precondition(lambda self: self.groups)
    @rule(which=ANY)
    def cancel_group(self, which: int) -> None:
        group = pick(list(self.groups), which)
        self.service.clearing.ask_to_end = lambda lease: None  # type: ignore[method-assign]  # there is no master
        self.service.together.cancel(NOBODY, None, group)
        self.commit()
        assert not any(self.state_of(task_id) in WAITS for task_id in self.groups[group])

    @rule(seconds=st.sampled_from((1.0, 6.0, 20.0)))
    def wait(self, seconds: float) -> None:
        self.now = self.service.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        self.commit()

    @precondition(lambda self: any(model.ended for model in self.models.values()))
    @rule(which=ANY)
    def retry(self, which: int) -> None:
        """An ended task is taken up again, unless an unfinished one goes by how it ended."""
        task_id = pick([key for key, model in self.models.items() if model.ended], which)
        model = self.models[task_id]
        children = [key for key in self.book.agenda.tasks if task_id in self.models[key].ties.parents]
        if children:
            with pytest.raises(RemoteError) as caught:
                self.service.ended.retry(NOBODY, None, task_id, model.retried, False)
            assert caught.value.kind is TaskNeededError, "nobody is released twice"
            return
        assert self.service.ended.retry(NOBODY, None, task_id, model.retried, False) is True
        model.ended, model.runs = None, 0
        model.retried += 1
        self.commit()

    @rule(seconds=st.sampled_from((0.0, 7.0)), everything=st.booleans())
    def restart(self, seconds: float, everything: bool) -> None:
        """The broker is killed, or the whole tree with it."""
        before = self.snapshot()
        self.open()
        assert self.snapshot() == before, "restored to the last counter"
        self.now = self.service.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        for number in list(self.book.workers) if everything else ():
            self.book.die(number, 2**62, Death(Cause.ABORT, "by abort"), self.now)
        self.number += 1000
        self.join()
        self.join()
        self.commit()

    def snapshot(self) -> object:
        agenda = self.book.agenda
        tasks = {
            key: (entry.state, entry.bond and (entry.bond.left, entry.bond.ties, entry.bond.delay))
            for key, entry in agenda.tasks.items()
        }
        children = {key: set(found) for key, found in agenda.dependencies.children.items()}
        return tasks, children, dict(agenda.dependencies.groups), agenda.waiting.blocked

    # -- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def every_task_is_where_its_parents_let_it_be(self) -> None:
        for task_id, entry in self.book.agenda.tasks.items():
            model = self.models[task_id]
            states = self.parents_of(model)
            unfinished = sum(not state.ended for state in states)
            if entry.state is State.BLOCKED:
                assert unfinished, "none waits for ever"
                assert entry.bond is not None
                assert entry.bond.left == unfinished
            else:
                assert not unfinished, "no child too early"
            assert all(self.fate(model, state) is Fate.RUN for state in states if state.ended), "a cascade as chosen"
            assert self.state_of(task_id) is entry.state, "the journal agrees"

    @invariant()
    def the_ties_are_those_of_what_is_unfinished(self) -> None:
        tasks, ties = self.book.agenda.tasks, self.book.agenda.dependencies
        wanted = {(parent, task_id) for task_id in tasks for parent in self.models[task_id].ties.parents}
        assert {(parent, child) for parent, found in ties.children.items() for child in found} == wanted
        assert ties.groups == Counter(self.models[key].ties.group for key in tasks if self.models[key].ties.group)
        assert self.book.agenda.waiting.blocked == sum(entry.state is State.BLOCKED for entry in tasks.values())

    @invariant()
    def a_group_knows_its_members(self) -> None:
        for group, ends in self.groups.items():
            found = self.journal.ties.members(group)
            assert [task_id for task_id, _, _ in found] == ends
            assert [State(state) for _, state, _ in found] == [self.state_of(each) for each in ends]
            assert {size for _, _, size in found} == {len(ends)}

    @invariant()
    def nothing_succeeds_twice(self) -> None:
        for model in self.models.values():
            assert model.runs == (model.ended is State.SUCCEEDED)

    def teardown(self) -> None:
        """Whatever happened, all that is left comes to its end, and each callback that may run has run once."""
        for _ in range(400):
            if not self.book.agenda.tasks:
                break
            while self.busy():
                self.report(0, Outcome.SUCCEEDED)
            self.wait(20.0)
        assert not self.book.agenda.tasks, "none waits for ever"
        for task_id in self.callbacks:
            model = self.models[task_id]
            assert model.ended in (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT, State.LOST)
            assert model.runs == (model.ended is State.SUCCEEDED), "a callback runs exactly once"
        self.journal.close()


def pick(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]
