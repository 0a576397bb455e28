"""A worker's main loop: ask, run, report."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from types import FrameType

from setproctitle import setproctitle

from supervisor import signals
from supervisor.log import log
from supervisor.scoreboard import Slot, Word
from supervisor.wire.messages import Grant, Outcome, Report
from supervisor.worker import blocked
from supervisor.worker.children import Leftovers, free_from_birth
from supervisor.worker.execute import Executor
from supervisor.worker.link import Link
from supervisor.worker.output import Talk

_SHORT_SECONDS = 0.01
_MOST_NAMES = 1000
_LOOK_SECONDS = 1.0
_REVOKED_FROM = int(Word.REVOKED_FROM)
_READER_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Post:
    """What the master has assigned to a worker."""

    slot: Slot
    title: str
    """Beginning of its process title."""
    max_tasks: int
    """Tasks after which it asks for no more; 0 for never."""
    wake: int
    """The event that makes the master look."""


class _RetireNow(BaseException):
    """Raised in the middle of waiting for work, when there is nothing to wait for any more."""


class Loop:
    """Runs what the broker grants until it is told to retire, or has run as much as it may."""

    def __init__(self, post: Post, link: Link, talk: Talk, executor: Executor) -> None:
        self._slot = post.slot
        self._title = post.title
        self._max_tasks = post.max_tasks
        self._wake = post.wake
        self._link = link
        self._talk = talk
        self._executor = executor
        self._leftovers = Leftovers()
        self._retiring = False
        self._waiting = False
        self._shown = ""
        self._brief: set[str] = set()

    def listen_to_signals(self) -> None:
        """TERM and INT may reach the whole group; they are not for us. Handlers that do nothing, rather than ignoring
        them, since what is ignored stays so in the programs that a task starts.
        """
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(signum, lambda *_: None)
        signal.signal(signals.RETIRE, self._retire)
        signal.signal(signals.CANCEL, self._executor.on_cancel)
        signal.signal(signal.SIGALRM, self._executor.on_alarm)
        free_from_birth()

    def _retire(self, signum: int, frame: FrameType | None) -> None:
        first, self._retiring = not self._retiring, True
        if first and self._waiting:
            self._waiting = False
            raise _RetireNow

    def join(self) -> bool:
        """Connect to the broker, however long there is none; False when it is time to leave before that."""
        try:
            self._waiting = True
            if self._retiring:
                return False
            self._link.connect()
        except _RetireNow:
            return False
        finally:
            self._waiting = False
        return True

    def wait_to_be_needed(self, descriptor: int) -> int:
        """A spare's life until then; the seat that it is given."""
        setproctitle(f"{self._title} spare, ready")
        try:
            self._waiting = True
            seat = os.read(descriptor, 16)
            self._waiting = False
        except _RetireNow:
            return 0
        os.close(descriptor)
        self._title = f"{self._title.rpartition(' ')[0]} {int(seat)}"
        return int(seat)

    def run(self) -> None:
        """Until it is time to leave."""
        last: list[Report] = []
        self._show("idle")
        while not self._retiring:
            grants = self._ask(last)
            if grants is None:
                break
            last = self._run_all(grants)
        self._link.say(last)

    def _ask(self, last: list[Report]) -> list[Grant] | None:
        """Report and ask for work; None when it is time to leave, with ``last`` still to be said."""
        room = self._room()
        if room == 0:
            self._await_replacement(last)
            last.clear()
            return []
        try:
            self._waiting = True
            if self._retiring:
                raise _RetireNow
            grants = self._link.next(last, room)
            self._waiting = False
        except _RetireNow:
            self._waiting = False
            # What is unconfirmed goes again over a new connection. What may have been granted in this very moment
            # goes back uncounted, for we never began it.
            self._link.close()
            return None
        last.clear()
        return grants

    def _room(self) -> int:
        """How many tasks may be asked for."""
        if not self._max_tasks:
            return 1_000_000
        return max(0, self._max_tasks - self._slot.get(Word.DONE))

    def _await_replacement(self, last: list[Report]) -> None:
        """Recycled: the master lets us go as soon as another is ready."""
        self._link.say(last)
        self._show("done, waits for its replacement")
        os.eventfd_write(self._wake, 1)
        try:
            self._waiting = True
            while not self._retiring:
                time.sleep(_LOOK_SECONDS)  # the signal ends it; not pause(), which sleeps on if the signal came first
        except _RetireNow:
            return
        finally:
            self._waiting = False

    def _run_all(self, grants: list[Grant]) -> list[Report]:
        """Run what was granted. Each report leaves before the next task starts; the last goes with the next request."""
        alone = len(grants) == 1
        for position, grant in enumerate(grants):
            report = self._run_one(grant, first=position == 0, alone=alone)
            if report is None:
                return []  # taken back, as those after it
            if position == len(grants) - 1:
                return [report]
            self._link.report(report)
            if self._retiring:
                return []
        return []

    def _run_one(self, grant: Grant, *, first: bool, alone: bool) -> Report | None:
        now = time.monotonic_ns()
        deadline = grant.deadline_ns
        if not first and grant.timeout is not None:
            deadline = now + int(grant.timeout * 1e9)  # it has waited for the others here, and not by its own fault
        self._slot.start(grant.lease, grant.seq, now, deadline, grant.memory_limit or 0)
        # Written before this is read, while the broker writes this and then reads that: see its taking back.
        revoked = self._slot.get(_REVOKED_FROM)
        if revoked and grant.lease >= revoked:
            self._slot.put(Word.RUNNING, 0)
            return None
        if not first:
            self._await_reader(grant.lease)
        if grant.memory_limit:
            os.eventfd_write(self._wake, 1)  # the master watches only while there is something to watch
        if alone and grant.name not in self._brief:
            self._show(f"runs {grant.name}")
        try:
            report = self._executor.run(grant, deadline, now)
        finally:
            self._talk.end(another_follows=not alone)
            blocked.forget()
        if grant.leave_children and report.outcome is Outcome.SUCCEEDED:
            self._leftovers.keep()
        elif not self._leftovers.kill():
            log.warning(
                "task %s left processes that cannot be got rid of: this worker leaves, with all of them", grant.name
            )
            self._retiring = True
        self._slot.finish()
        if alone:
            self._show("idle")
            self._remember(grant.name, brief=report.seconds <= _SHORT_SECONDS)
        return report

    def _await_reader(self, lease: int) -> None:
        """The broker may be reading what the one before printed: this one begins when it has, or is dead or stopped."""
        until = 0.0
        while self._slot.read_by_mistake(lease):
            now = time.monotonic()
            until = until or now + _READER_SECONDS
            if now > until:
                return
            time.sleep(0.0001)

    def _remember(self, name: str, *, brief: bool) -> None:
        """Tasks that were brief the last time are not shown: there may be thousands a second."""
        if not brief:
            self._brief.discard(name)
        elif len(self._brief) < _MOST_NAMES:
            self._brief.add(name)

    def _show(self, what: str) -> None:
        """Say in the process title what is going on."""
        if what != self._shown:
            self._shown = what
            setproctitle(f"{self._title} {what}")
            log.debug("%s", what)
