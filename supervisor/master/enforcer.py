"""Enforcing what a worker must keep to: deadlines, cancels, memory, getting ready, not standing still."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from supervisor import signals
from supervisor.core.entry import Death
from supervisor.log import log
from supervisor.master.executioner import Executioner
from supervisor.master.memory import MemoryWatch
from supervisor.master.pool import Pool
from supervisor.master.worker import Cancel, Kill, KillStage, Stage, WorkerHandle
from supervisor.scoreboard import Held
from supervisor.states import Cause
from supervisor.system import proc
from supervisor.wire.channel import CancelRunning, StopRunning

_STOPPED_NS = 500_000_000
_AGAIN_NS = 50_000_000
_UNBORN = (Stage.FORKING, Stage.BOOTING)


class Enforcer:
    """Looks at every worker; ``give_up`` finalises one whose process cannot be waited for."""

    def __init__(
        self, pool: Pool, executioner: Executioner, give_up: Callable[[WorkerHandle, Death, int], None]
    ) -> None:
        self._pool = pool
        self._executioner = executioner
        self._give_up = give_up
        self._memory = MemoryWatch(pool)

    # -- when --------------------------------------------------------------------------------------------------

    def deadlines(self) -> Iterator[int]:
        """The deadlines of what the workers hold, read from the scoreboard now."""
        for handle in self._pool:
            deadline = self._due(handle).deadline_ns
            if deadline:
                yield deadline

    def times(self, now: int) -> Iterator[int | None]:
        """When else :meth:`enforce` has something to do."""
        yield self._memory.next_ns()
        for handle in self._pool:
            if handle.kill is not None:
                yield self._executioner.next_ns(handle, now)
            elif handle.cancel is not None:
                yield min(handle.cancel.again_ns, handle.cancel.kill_ns)
            elif handle.stage in _UNBORN:
                yield handle.spawned_ns + self._pool.boot_limit_ns()

    def _due(self, handle: WorkerHandle) -> Held:
        """What has a deadline to be kept here."""
        held = handle.slot.held()
        spared = handle.kill is not None or handle.who is None or held.lease == handle.excused
        return Held(0, 0) if spared else held

    # -- what --------------------------------------------------------------------------------------------------

    def enforce(self, now: int) -> None:
        """Do what is due."""
        for handle in self._pool:
            self._enforce(handle, now)
        for handle, lease, why in self._memory.over(now):
            if lease:
                self._executioner.condemn(handle, Cause.MEMORY, why, now, lease)
            else:
                log.warning("worker %d, which has nothing to do, is replaced: %s", handle.pid, why)
                self._executioner.condemn(handle, Cause.SHUTDOWN, why, now)  # no fault of the task it is given next

    def cancel(self, order: CancelRunning, now: int) -> None:
        """Ask first: the signal raises in the task, if it is still that one. The kill comes when that did not help."""
        handle = self._pool.workers.get(order.worker)
        if handle is None or handle.who is None or (handle.cancel is not None and handle.cancel.lease == order.lease):
            return
        handle.cancel = Cancel(order.lease, now + _AGAIN_NS, now + int(self._pool.settings.cancel_grace * 1e9))
        handle.send(signals.CANCEL)

    def stop(self, order: StopRunning, now: int) -> None:
        """Stop what this worker does; that is nothing of it, and not counted."""
        handle = self._pool.workers.get(order.worker)
        if handle is not None:
            self._executioner.condemn(handle, Cause.SHUTDOWN, "the queue was drained", now)

    def _enforce(self, handle: WorkerHandle, now: int) -> None:
        due = self._due(handle)
        if handle.kill is not None:
            self._carry_on(handle, handle.kill, now)
        elif due.deadline_ns and now >= due.deadline_ns:
            self._executioner.condemn(handle, Cause.TIMEOUT, "it ran past its hard limit", now, due.lease)
            _note_due(handle, due.deadline_ns)
        elif handle.cancel is not None:
            self._enforce_cancel(handle, handle.cancel, now)
        elif handle.stage in _UNBORN:
            self._enforce_birth(handle, now)
        elif handle.stopped_ns:
            self._enforce_motion(handle, now)

    def _carry_on(self, handle: WorkerHandle, kill: Kill, now: int) -> None:
        if kill.stage is KillStage.KILLED and now >= kill.until_ns:
            log.error("worker %d was killed but cannot be reaped: it sits in the kernel; it is given up", handle.pid)
            self._give_up(handle, Death(kill.cause, kill.message, kill.stack), now)
        else:
            self._executioner.step(handle, now)

    def _enforce_cancel(self, handle: WorkerHandle, cancel: Cancel, now: int) -> None:
        if handle.slot.held().lease != cancel.lease:
            handle.cancel = None  # it has ended
        elif now >= cancel.kill_ns:
            why = "it was cancelled and did not end by itself"
            self._executioner.condemn(handle, Cause.CANCELLED, why, now, cancel.lease)
            _note_due(handle, cancel.kill_ns)
            handle.cancel = None
        elif now >= cancel.again_ns:
            cancel.again_ns = now + _AGAIN_NS
            handle.send(signals.CANCEL)

    def _enforce_birth(self, handle: WorkerHandle, now: int) -> None:
        limit = self._pool.boot_limit_ns()
        if now - handle.spawned_ns <= limit:
            return
        log.error("worker %d did not get ready in %.1f s: replaced", handle.pid, limit / 1e9)
        if handle.who is None:
            self._give_up(handle, Death(Cause.SHUTDOWN, "it was never forked"), now)
        else:
            self._executioner.condemn(handle, Cause.EXIT, "it did not get ready in time", now)

    def _enforce_motion(self, handle: WorkerHandle, now: int) -> None:
        """Somebody stopped it. A task that it has begun has until the deadline; one that it has not begun, or the next
        that it would be given, is better off elsewhere.
        """
        running = handle.slot.running()
        if not proc.is_stopped(handle.pid):
            handle.stopped_ns = 0
        elif running is not None and not running.running and now - handle.stopped_ns > _STOPPED_NS:
            self._executioner.condemn(handle, Cause.SHUTDOWN, "it was stopped while it had nothing to do", now)


def _note_due(handle: WorkerHandle, due_ns: int) -> None:
    """When the kill that has just begun was to come, so that it is known how late it came."""
    if handle.kill is not None:
        handle.kill.due_ns = due_ns
