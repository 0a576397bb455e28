"""Running one task: from what was granted to what is reported."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, NoReturn

from msgspec.structs import replace

from supervisor import current, task_hooks
from supervisor.core.internal import INTERNAL
from supervisor.current import CurrentTask
from supervisor.errors import MessageTooLargeError, SerializationError, SoftTimeoutError, TaskCancelledError
from supervisor.functions import Call
from supervisor.ids import to_text
from supervisor.opener import Opener
from supervisor.payloads import PayloadStore
from supervisor.plain import JSON_ONLY
from supervisor.policy import NO_POLICY, Retry
from supervisor.scoreboard import Slot, Word
from supervisor.settings import Settings
from supervisor.wire.messages import ErrorData, Files, Grant, Outcome, Report
from supervisor.worker import around, profiling
from supervisor.worker.deciding import Answer, decide, kill_error
from supervisor.worker.handed import Handed
from supervisor.worker.link import Link
from supervisor.worker.output import Talk
from supervisor.worker.streaming import Outlet, Stream, stream_async

_AGAIN_SECONDS = 0.02
_LONGEST_TRACEBACK = 64 * 1024
_GOES_ON = (CoroutineType, GeneratorType, AsyncGeneratorType)
_MISSING = object()
_CANCEL_LEASE = int(Word.CANCEL_LEASE)  # adding a member of an enum takes longer than the look at the scoreboard
_SUCCEEDED = Outcome.SUCCEEDED
_OWN_FILES = frozenset({__file__, around.__file__, profiling.__file__})


class Executor:
    """Runs tasks one after the other."""

    def __init__(self, settings: Settings, slot: Slot, talk: Talk, link: Link) -> None:
        self._slot = slot
        self._link = link
        self._talk = talk
        self._pid = os.getpid()
        self._opener = Opener(json_only=settings.payloads == JSON_ONLY)
        self._store = PayloadStore(settings)
        self.handed = Handed(settings)
        self._grant: Grant | None = None
        self._open = False
        """Whether the task's own code runs, and may be interrupted."""
        self._runner: asyncio.Runner | None = None
        self._coroutine: asyncio.Task[Any] | None = None
        self._policy = NO_POLICY
        self._abandoned = False
        self._kept: contextvars.Context | None = None
        """Where a hook's coroutine runs, so that what it sets can be found."""
        self._interrupt: BaseException | None = None
        """What a coroutine is being cancelled for."""
        self._told = 0
        """The lease that was told of its cancel already; the master repeats itself."""
        self.clock: Callable[[], float] = time.monotonic
        """What the deadline of a task is told by, to the task."""
        self._stream: Stream | None = None
        """The generator that runs."""
        self._unsent: BaseException | None = None
        """Why an item could not be sent: the task is not to do all of it again over that."""

    # -- interrupting ------------------------------------------------------------------------------------------

    def on_cancel(self, signum: int, frame: FrameType | None) -> None:
        """A caller wants the running task ended: if it is still that one."""
        grant = self._grant
        if grant is None or not self._open or self._told == grant.lease:
            return
        if self._slot.get(Word.CANCEL_LEASE) == grant.lease:
            self.interrupt(TaskCancelledError(to_text(grant.id)))

    def on_alarm(self, signum: int, frame: FrameType | None) -> None:
        """The soft limit."""
        grant = self._grant
        if grant is not None and self._open and grant.soft_timeout is not None:
            self.interrupt(SoftTimeoutError(grant.soft_timeout))
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def interrupt(self, error: BaseException) -> None:
        """Raise this in the task's own code, which is running, where the caller is in the middle of it."""
        stream = self._stream
        if stream is not None and stream.hold(error):
            return  # it is raised where the generator goes on, and the signal comes again until it was
        self._heard(error)
        if self._coroutine is None:
            raise error
        # A coroutine is cancelled where it awaits: raising here might hit the event loop's own code.
        self._interrupt = error
        self._coroutine.get_loop().call_soon_threadsafe(self._coroutine.cancel)

    @property
    def awaits(self) -> bool:
        """Whether a coroutine runs, which can be interrupted from another thread."""
        return self._open and self._coroutine is not None

    def abandon(self) -> None:
        """The running task is as good as killed: whatever it still does, its code is not asked about its end."""
        self._policy = NO_POLICY
        self._abandoned = True

    # -- running -----------------------------------------------------------------------------------------------

    def run(self, grant: Grant, deadline_ns: int, started_ns: int) -> Report:
        """Run a granted task and say how it ended."""
        self._grant = grant
        self._policy = NO_POLICY
        self._abandoned = False
        self._talk.begin(grant.lease)
        current.enter(CurrentTask(grant, self._talk, deadline_ns / 1e9 if deadline_ns else None, self.clock))
        try:
            report = self._outcome(grant, started_ns) if grant.asked is None else self._answer(grant, started_ns)
            if os.getpid() != self._pid:
                _leave(report)
            return report
        finally:
            self._open = False
            current.enter(None)
            self._grant = None
            self._unsent = None

    def close(self) -> None:
        """Close the event loop, where there is one."""
        if self._runner is not None:
            self._runner.close()

    def _outcome(self, grant: Grant, started_ns: int) -> Report:
        try:
            value = self._call(grant)
            return self._succeeded(grant, value, started_ns)
        except BaseException as error:  # noqa: BLE001  whatever a task raises, SystemExit too, is its end and not ours
            self._open = False
            return self._failed(grant, error, started_ns)

    def _succeeded(self, grant: Grant, value: object, started_ns: int) -> Report:
        """With its result, where that is kept. One that cannot be is not to have the task do all of it again."""
        try:
            result, files = self._store.store(value, grant) if grant.store_result else (b"", Files.NONE)
        except (SerializationError, MessageTooLargeError) as error:
            return Report(grant.lease, Outcome.REJECTED, b"", describe(error), _seconds(started_ns))
        return Report(grant.lease, _SUCCEEDED, result, None, _seconds(started_ns), files)

    def _call(self, grant: Grant) -> object:
        payload = self._store.payload(grant)
        call = self._opener.open(payload, grant.name)
        self._policy = call.policy
        extra = grant.extra
        if extra is not None and extra.takes:
            call = replace(call, args=(*self.handed.arguments(grant), *call.args))
        if self._slot.get(_CANCEL_LEASE) == grant.lease:
            raise TaskCancelledError(to_text(grant.id))  # before it began
        soft = grant.soft_timeout
        if soft is not None:
            # Again and again, until our handler runs: a signal that comes just before a system call that blocks is
            # seen by the interpreter when that returns, and it would sleep through it.
            signal.setitimer(signal.ITIMER_REAL, soft, _AGAIN_SECONDS)
        try:
            if extra is not None and extra.profile:
                return self._profiled(call)
            return self._perform(call)
        finally:
            if soft is not None:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def _profiled(self, call: Call) -> object:
        return profiling.Profiler(self._talk).run(lambda: self._perform(call))

    def _perform(self, call: Call) -> object:
        """Run a call; with its hooks and captured variables where there are any, and in a context of its own then."""
        if call.variables is None and (not task_hooks.running() or current.current_task().name in INTERNAL):
            return self._run_open(call.function, *call.args, **call.kwargs)
        context = contextvars.copy_context()
        return context.run(around.run_around, call, current.current_task(), self._run_open, self._run_hook)

    def _run_hook(self, hook: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
        """Run a hook, unless the task is as good as killed. What one with ``async`` sets is set after it, as with
        others.
        """
        if self._abandoned:
            return None
        before = contextvars.copy_context()
        self._kept = kept = before.copy()
        try:
            value = self._run_open(hook, *args, **kwargs)
        finally:
            self._kept = None
        for variable, found in kept.items():
            if before.get(variable, _MISSING) is not found:
                variable.set(found)
        return value

    def _run_open(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> object:
        """Run code of the task's own, which may be interrupted."""
        self._interrupt = None
        try:
            self._open = True
            value = function(*args, **kwargs)
            if isinstance(value, _GOES_ON):
                value = self._go_through(value)
            self._open = False
        finally:
            self._open = False
        return value

    def _go_through(self, running: object) -> object:
        """What a coroutine or a generator returns in the end; what it yields until then is streamed."""
        if isinstance(running, CoroutineType):
            return self._await(running)
        assert self._grant is not None
        outlet = Outlet(self._link, self._store, self._grant)
        try:
            if isinstance(running, AsyncGeneratorType):
                return self._await(stream_async(running, outlet))
            assert isinstance(running, GeneratorType)
            self._stream = Stream(running, outlet, self._heard)
            return self._stream.run()
        finally:
            self._open = False
            self._stream = None
            self._unsent = outlet.failed
            if os.getpid() == self._pid:
                outlet.wait(lambda: False)  # or its answers would be taken for those to what is asked next

    def _heard(self, error: BaseException) -> None:
        """This was raised in the task: its signal need not come again."""
        if isinstance(error, SoftTimeoutError):
            signal.setitimer(signal.ITIMER_REAL, 0)
        elif self._grant is not None:
            self._told = self._grant.lease

    def _await(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Run a coroutine to its end, on the one event loop that this worker keeps."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        loop = self._runner.get_loop()
        self._coroutine = loop.create_task(coroutine, context=self._kept)
        try:
            return loop.run_until_complete(self._coroutine)
        except asyncio.CancelledError:
            if self._interrupt is not None:
                raise self._interrupt from None
            raise
        finally:
            self._coroutine = None

    def _failed(self, grant: Grant, error: BaseException, started_ns: int) -> Report:
        if isinstance(error, SoftTimeoutError):
            outcome = Outcome.SOFT_TIMEOUT
        elif isinstance(error, TaskCancelledError) and error.task_id == to_text(grant.id):
            outcome = Outcome.CANCELLED
        elif isinstance(error, Retry):
            outcome = Outcome.RETRY
        elif error is self._unsent:
            return Report(grant.lease, Outcome.REJECTED, b"", describe(error), _seconds(started_ns))
        else:
            outcome = Outcome.RAISED
        retry_in = None
        if outcome is not Outcome.CANCELLED:
            answer = self._decide(grant, error)
            outcome, retry_in = outcome if answer.again else Outcome.REJECTED, answer.retry_in
        return Report(grant.lease, outcome, b"", describe(error), _seconds(started_ns), Files.NONE, retry_in)

    # -- deciding ----------------------------------------------------------------------------------------------

    def _decide(self, grant: Grant, error: BaseException) -> Answer:
        """What comes after this error. Nobody is asked where nothing is left to decide."""
        ours = os.getpid() == self._pid
        policy = self._policy if ours and (grant.retries_left or grant.asked is not None) else NO_POLICY
        handler = policy.error_handler
        if handler is None:
            return decide(policy, error, bool)
        return decide(policy, error, lambda about: self._run_open(handler, to_text(grant.id), about, grant.attempt))

    def _answer(self, grant: Grant, started_ns: int) -> Report:
        """Ask about a kill: the task itself is not run."""
        assert grant.asked is not None
        try:
            self._policy = self._opener.open(self._store.payload(grant), grant.name).policy
        except BaseException:  # noqa: BLE001  unpickling runs code of the task's own
            traceback.print_exc()  # and the usual rule holds
        answer = self._decide(grant, kill_error(grant, grant.asked))
        outcome = Outcome.RETRY if answer.again else Outcome.REJECTED
        return Report(grant.lease, outcome, seconds=_seconds(started_ns), retry_in=answer.retry_in)


def _leave(report: Report) -> NoReturn:
    """The end of a process that the task forked and that came back from it: it is not for it to go on as a worker."""
    if report.error is not None:
        sys.stderr.write(report.error.traceback)
    os._exit(report.outcome is not Outcome.SUCCEEDED)


def describe(error: BaseException) -> ErrorData:
    """An error as plain data, its traceback without our own frames."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in _OWN_FILES:
        trace = trace.tb_next
    try:
        message = str(error)
    except Exception as fault:  # noqa: BLE001  an exception whose own __str__ raises is still reported
        message = f"<its message cannot be shown: {type(fault).__name__}>"
    if isinstance(error, SerializationError):
        trace = None
    text = "".join(traceback.format_exception(kind, error, trace))
    return ErrorData(name, message[:10_000], text[-_LONGEST_TRACEBACK:])


def _seconds(started_ns: int) -> float:
    return (time.monotonic_ns() - started_ns) / 1e9
