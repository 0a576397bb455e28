"""Killing a worker for what it runs, so that nothing else is ever hit.

Fence, stop, look again, dump, kill. The fence comes first: a dump signal makes hung C calls return, and the task
would "succeed" after its deadline. So where the broker is too busy to answer, the worker is held, and in the end
killed without a dump. The stop comes before the second look: what a stopped worker runs cannot change.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from supervisor import signals
from supervisor.log import log
from supervisor.master import stacks
from supervisor.master.reaper import kill_tree
from supervisor.master.worker import Kill, KillStage, WorkerHandle
from supervisor.states import Cause
from supervisor.system import proc
from supervisor.system.nice import hasten, set_niceness

_MS = 1_000_000
_FENCE_NS = 25 * _MS
_STOP_NS = 5 * _MS
_HOLD_NS = 75 * _MS
_DUMP_NS = 20 * _MS
_DUMP_LOOK_NS = 2 * _MS
_STARVED_NS = 80 * _MS
"""A stack is waited for so long where the worker wants to run, and the machine does not let it."""
UNREAPED_NS = 1_000 * _MS
"""A killed worker that cannot be reaped (it sits in the kernel) is given up after this long, and replaced."""
_NO_STACK = "(no stack: the process did not write one, as when it ignores every signal or sits in the kernel)"

_NOT_ASKED = "(no stack: the queue was too busy to be told before, and a process that is asked for it may go on)"


class Executioner:
    """Carries kills through their stages; ``fence(lease, cause)`` asks the broker, ``spare(lease)`` takes it back."""

    def __init__(self, fence: Callable[[int, Cause], bool], spare: Callable[[int], object]) -> None:
        self._fence = fence
        self._spare = spare

    def condemn(self, handle: WorkerHandle, cause: Cause, message: str, now_ns: int, lease: int = 0) -> None:
        """Begin to kill a worker: for one lease, or (0) for whatever it does."""
        if handle.kill is not None or handle.who is None:
            return
        handle.kill = Kill(lease, cause, message, KillStage.FENCING, now_ns + _FENCE_NS)
        target = lease or handle.slot.held().lease
        if not target or not self._fence(target, cause):
            handle.kill.fenced = True
            self._stop(handle, handle.kill, now_ns)

    def fenced(self, handle: WorkerHandle, lease: int, kill: bool, now_ns: int) -> None:
        """The broker has answered; if it was busy, when the worker is held already."""
        under_way = handle.kill
        if under_way is None or under_way.stage is KillStage.KILLED:
            return
        if not kill and under_way.lease == lease:
            self._call_off(handle, under_way)  # it ended in time, and may have been given another task
            return
        under_way.fenced = True
        if under_way.stage is KillStage.FENCING:
            self._stop(handle, under_way, now_ns)
        elif under_way.stage is KillStage.HOLDING:
            self._dump(handle, under_way, now_ns)

    def stopped(self, handle: WorkerHandle, now_ns: int) -> None:
        """The worker has stopped."""
        if handle.kill is not None and handle.kill.stage is KillStage.STOPPING:
            self._look_again(handle, handle.kill, now_ns)

    def step(self, handle: WorkerHandle, now_ns: int) -> None:
        """Go on where the time for a stage is over."""
        kill = handle.kill
        if kill is None:
            return
        if kill.stage is KillStage.DUMPING and self._dumped(handle, kill):
            self._kill(handle, kill, now_ns)
        elif now_ns >= kill.until_ns:
            match kill.stage:
                case KillStage.FENCING:
                    self._stop(handle, kill, now_ns)  # the broker is busy or away; our second look protects the rest
                case KillStage.STOPPING:
                    self._look_again(handle, kill, now_ns)
                case KillStage.DUMPING if self._starves(handle, kill, now_ns):
                    kill.until_ns = now_ns + _DUMP_LOOK_NS
                case _:
                    self._kill(handle, kill, now_ns)

    def next_ns(self, handle: WorkerHandle, now_ns: int) -> int | None:
        """When :meth:`step` wants to be called."""
        kill = handle.kill
        if kill is None:
            return None
        return min(kill.until_ns, now_ns + _DUMP_LOOK_NS) if kill.stage is KillStage.DUMPING else kill.until_ns

    def _stop(self, handle: WorkerHandle, kill: Kill, now_ns: int) -> None:
        kill.niceness = hasten(handle.pid)
        handle.send(signal.SIGSTOP)
        kill.stage, kill.until_ns = KillStage.STOPPING, now_ns + _STOP_NS

    def _look_again(self, handle: WorkerHandle, kill: Kill, now_ns: int) -> None:
        if kill.lease and handle.slot.held().lease != kill.lease:
            log.debug("worker %d went on to another task in time: spared", handle.pid)
            self._spare(kill.lease)  # it may have reported behind the fence, and would wait for ever
            self._call_off(handle, kill)
        elif kill.fenced:
            self._dump(handle, kill, now_ns)
        else:
            kill.stage, kill.until_ns = KillStage.HOLDING, now_ns + _HOLD_NS

    def _dump(self, handle: WorkerHandle, kill: Kill, now_ns: int) -> None:
        stacks.forget(handle)  # what somebody asked for before is no stack of this moment
        if handle.read_stack() is None and kill.lease:
            # Pending while it is stopped, the dump is the first thing it does when it goes on.
            handle.send(signals.DUMP)
            handle.send(signal.SIGCONT)
            kill.stage, kill.until_ns = KillStage.DUMPING, now_ns + _DUMP_NS
            kill.cpu_ns, kill.patience_ns = proc.cpu_ns(handle.pid), now_ns + _STARVED_NS
        else:
            self._kill(handle, kill, now_ns)

    def _call_off(self, handle: WorkerHandle, kill: Kill) -> None:
        handle.kill = None
        handle.excused = kill.lease
        if kill.stage is not KillStage.FENCING:
            if kill.niceness:
                set_niceness(handle.pid, kill.niceness)
            os.ftruncate(handle.stack_file, 0)
            handle.send(signal.SIGCONT)

    def _dumped(self, handle: WorkerHandle, kill: Kill) -> bool:
        """Whether the stack is written: whole, and no longer growing."""
        size = os.fstat(handle.stack_file).st_size
        settled = size > 0 and size == kill.stack_size
        kill.stack_size = size
        return settled and handle.has_whole_stack()

    def _starves(self, handle: WorkerHandle, kill: Kill, now_ns: int) -> bool:
        """Whether it has not had the time for its stack that it was to have, for want of CPU."""
        if now_ns >= kill.patience_ns or proc.state(handle.pid) != "R":
            return False
        return proc.cpu_ns(handle.pid) - kill.cpu_ns < _DUMP_NS

    def _kill(self, handle: WorkerHandle, kill: Kill, now_ns: int) -> None:
        if kill.stage is not KillStage.KILLED:
            excuse = _NO_STACK if kill.fenced else _NOT_ASKED
            kill.stack = handle.read_stack() or (excuse if kill.lease else None)
        kill.stage, kill.until_ns = KillStage.KILLED, now_ns + UNREAPED_NS
        kill_tree(handle.pid)
