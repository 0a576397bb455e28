"""A worker in this process: the real link, opener and executor, without signals, and without a process to be killed."""

from __future__ import annotations

import os
import time
import traceback
from contextvars import ContextVar

import msgspec

from supervisor import current
from supervisor.current import CurrentTask, current_task
from supervisor.directory import Directory
from supervisor.errors import NotInTaskError, SoftTimeoutError
from supervisor.settings import Settings
from supervisor.states import Cause
from supervisor.testing.broker import GENERATION, InProcessBroker
from supervisor.testing.clock import Clock
from supervisor.testing.output import NearTalk, taken_down
from supervisor.testing.wire import NearEnd, NothingDue, ask
from supervisor.wire.channel import Fence, Gone, Opened
from supervisor.wire.messages import Grant, Hello, Report
from supervisor.worker import execute
from supervisor.worker.execute import Executor
from supervisor.worker.handed import Handed
from supervisor.worker.link import Link
from supervisor.worker.logs import TaskHandler

_NO_FILE = -1
_LOOKS, _LOOK_SECONDS = 50, 0.002
_NO_STACK = "(no stack: the clock was moved on elsewhere)"


class Killed(BaseException):
    """Raised where a task has moved the clock past its hard limit: a real one would be no more."""


class InProcessWorker:
    """Runs one task at a time, in the thread that asks it to."""

    def __init__(self, number: int, broker: InProcessBroker, settings: Settings, clock: Clock) -> None:
        self.number = number
        self.alive = True
        self._broker = broker
        self._clock = clock
        self._slot = broker.board.slots[number % len(broker.board.slots)]
        self._slot.clear(number)
        self._grant: Grant | None = None
        self._limits: list[tuple[float, bool]] = []
        """When the soft and the hard limit of the running task are due, on the monotonic clock; the soft one once."""
        self._stack = ""
        """Where the task was killed, if it was."""
        talk, talk_end = os.pipe2(os.O_CLOEXEC)
        raw, raw_end = os.pipe2(os.O_CLOEXEC)
        broker.tell(Opened(number, self._slot.number), [talk, raw])
        self._talk = NearTalk(talk_end, raw_end, broker.read)
        hello = Hello(number, self._slot.number, os.getpid(), GENERATION)
        self._link = Link(Directory(settings.dir), hello, settings.connect_timeout, _NO_FILE)
        self._link.open = lambda: NearEnd(broker)
        self._executor = Executor(settings, self._slot, self._talk, self._link)
        self._executor.clock = clock.monotonic
        self._executor.handed = Handed(settings, lambda call: ask(broker, call))
        self._handler = TaskHandler(self._talk, settings.task_log_level, settings.output_limit // 2)

    # -- running -----------------------------------------------------------------------------------------------

    def work(self) -> Grant | None:
        """Run the next task that is due; what it was, None for none."""
        with self._broker.lock:  # nobody may be given a task to, who does not look any more
            try:
                (grant,) = self._link.next([], 1)
            except NothingDue:
                self._link.close()
                return None
        report = self._run(grant)
        if self._grant_is_over(grant):
            self._die(grant)
        else:
            self._link.say([report])
        self._link.close()
        if report.error is not None and report.error.type == KeyboardInterrupt.__name__:
            raise KeyboardInterrupt
        return grant

    def _run(self, grant: Grant) -> Report:
        now, deadline = self._clock.monotonic(), grant.deadline_ns / 1e9
        soft = grant.soft_timeout if grant.asked is None else None
        self._grant, self._stack = grant, ""
        self._limits = [(now + soft, False)] if soft is not None else []
        self._limits += [(deadline, True)] if deadline else []
        self._slot.start(grant.lease, grant.seq, int(now * 1e9), grant.deadline_ns, grant.memory_limit or 0)
        outer, inner = _current(), running.set(self)
        try:
            with taken_down(self._talk, self._handler):
                # Its soft limit is kept by our clock, and by no timer.
                plain = msgspec.structs.replace(grant, soft_timeout=None)
                return self._executor.run(plain, grant.deadline_ns, time.monotonic_ns())
        finally:
            self._talk.end(another_follows=False)
            current.enter(outer)
            running.reset(inner)
            self._slot.finish()
            self._grant = None

    # -- limits ------------------------------------------------------------------------------------------------

    def pass_time(self) -> None:
        """The clock was moved on by what runs here."""
        now = self._clock.monotonic()
        due = [limit for limit in self._limits if limit[0] <= now]
        self._limits = [limit for limit in self._limits if limit[0] > now]
        if any(hard for _, hard in due):
            self._stack = _stack()
            self._executor.abandon()
            raise Killed
        grant = self._grant
        if due and grant is not None and grant.soft_timeout is not None:
            self._executor.interrupt(SoftTimeoutError(grant.soft_timeout))

    def cancel(self, lease: int) -> None:
        """A caller wants what runs here ended. Only a coroutine can be interrupted from outside."""
        if running.get() is self:
            self._executor.on_cancel(0, None)
            return
        for _ in range(_LOOKS):  # it may be about to begin
            if self._grant is None or self._grant.lease != lease:
                return
            if self._executor.awaits:
                self._executor.on_cancel(0, None)
                return
            time.sleep(_LOOK_SECONDS)

    def _grant_is_over(self, grant: Grant) -> bool:
        """Whether the task would have been killed at its hard limit."""
        return bool(self._stack) or 0 < grant.deadline_ns <= self._clock.monotonic() * 1e9

    def _die(self, grant: Grant) -> None:
        """Have the broker see what it would of a kill."""
        self.alive = False
        cause = Cause.TIMEOUT.value
        self._broker.tell(Fence(grant.lease, cause))
        why = "it ran past its hard limit"
        self._broker.tell(Gone(self.number, grant.lease, cause, why, self._stack or _NO_STACK))

    def close(self) -> None:
        """It is needed no more."""
        self._link.close()
        self._executor.close()
        if self.alive:
            self._broker.tell(Gone(self.number, 0, Cause.SHUTDOWN.value, "it was closed"))
        self._talk.close()


def _stack() -> str:
    """Where the task is: without the frames that are ours."""
    frames = traceback.extract_stack()
    first = max((place for place, frame in enumerate(frames) if frame.filename == execute.__file__), default=-1) + 1
    ours = os.path.dirname(__file__)
    return "".join(traceback.format_list([each for each in frames[first:] if os.path.dirname(each.filename) != ours]))


def _current() -> CurrentTask | None:
    try:
        return current_task()
    except NotInTaskError:
        return None


running: ContextVar[InProcessWorker | None] = ContextVar("running", default=None)
"""The worker whose task the code here belongs to, also in the threads that asyncio hands a call of it to."""
