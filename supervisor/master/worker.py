"""A worker from the master's point of view."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from supervisor.master.leaving import Leave
from supervisor.scoreboard import Slot, Word
from supervisor.states import Cause
from supervisor.system.proc import Identity

_TAIL_BYTES = 4096
_STACK_BYTES = 32 * 1024
_IDLE_THREAD = re.compile(
    r"^(Thread|Current thread) 0x[0-9a-f]+[^\n]* \(most recent call first\):\n  <no Python frame>\n+", re.MULTILINE
)
"""The thread that only waits to be asked for a stack (see :mod:`supervisor.worker.dumps`)."""
"""Twice this must fit into a message to the broker."""


class Stage(Enum):
    """How far a worker is in its life."""

    FORKING = "forking"
    """Asked of the template; its pid is not known yet."""
    BOOTING = "booting"
    READY = "ready"
    RETIRING = "retiring"
    """Asked to leave after its task."""
    DEAD = "dead"


class KillStage(Enum):
    """How far a kill is. In this order."""

    FENCING = "fencing"
    """The broker was asked to let no answer count any more."""
    STOPPING = "stopping"
    """SIGSTOP was sent: what the slot says can no longer change under our eyes."""
    HOLDING = "holding"
    """It has stopped, and the broker has not answered yet."""
    DUMPING = "dumping"
    """It writes its stack."""
    KILLED = "killed"
    """SIGKILL was sent; to be reaped."""


@dataclass(slots=True)
class Kill:
    """A kill under way."""

    lease: int
    """The lease it is meant for; 0 for whatever the worker does."""
    cause: Cause
    message: str
    stage: KillStage
    until_ns: int
    """When the next stage comes, even if what it waits for does not."""
    fenced: bool = False
    """Whether no answer counts any more: the broker has said so, or the next one hears of it first of all."""
    niceness: int = 0
    """What it had before it was hastened to its end."""
    stack: str | None = None
    stack_size: int = -1
    cpu_ns: int = 0
    """What CPU it had used when it was asked for its stack."""
    due_ns: int = 0
    """The monotonic nanosecond at which it was to come; 0 where there was none to keep."""
    patience_ns: int = 0
    """Until when it may be waited for that stack, if it gets no CPU to write it."""

    @property
    def decided(self) -> bool:
        """Whether nothing can spare the worker any more."""
        return self.stage in (KillStage.DUMPING, KillStage.KILLED)


@dataclass(slots=True)
class Cancel:
    """A running task that was asked to end."""

    lease: int
    again_ns: int
    """When it is asked again: a signal just before a system call that blocks is not seen until that returns."""
    kill_ns: int
    """When it is killed."""


@dataclass(slots=True, eq=False)
class WorkerHandle:
    """One worker: its process, its slot, the pipes that outlive it."""

    number: int
    seat: int
    """Its place among the workers, which decides its CPU."""
    slot: Slot
    generation: int
    max_tasks: int
    """Tasks after which it is replaced; 0 for never."""
    spawned_ns: int
    template: int
    """The pid of the template that was told to fork it."""
    talk: int
    """Reading end of its talk pipe. Held here too, so that the pipe does not break while a broker is replaced."""
    raw: int
    stack_file: int
    stage: Stage = Stage.FORKING
    spare: bool = False
    go: int = -1
    """Writing end of the pipe on which a spare waits to be needed."""
    who: Identity | None = None
    ready_ns: int = 0
    baseline: int = 0
    """Resident bytes of its tree when it became ready."""
    kill: Kill | None = None
    excused: int = 0
    """A lease that the broker says is over: its deadline means nothing any more."""
    cancel: Cancel | None = None
    stopped_ns: int = 0
    """Since when it is stopped by somebody else."""
    replaces: WorkerHandle | None = None
    leave: Leave | None = None
    """Why it is to leave, or is replaced."""
    unwanted: bool = False
    """Whether somebody asked for another one in its place."""
    stack_asked: bool = False
    """Whether somebody asked for its stack, which is in its file, or will be."""

    @property
    def pid(self) -> int:
        """0 until it is known."""
        return self.who.pid if self.who else 0

    @property
    def due_for_recycling(self) -> bool:
        """Whether it has run as many tasks as it may; it asks for no more by itself."""
        return bool(self.max_tasks) and self.slot.get(Word.DONE) >= self.max_tasks

    def send(self, signum: int) -> None:
        """Send it a signal; one that has just ended will be reaped in a moment."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signum)

    def read_stack(self) -> str | None:
        """What it wrote into its stack file; of a long text the beginning and the end, where the main thread is."""
        size = os.fstat(self.stack_file).st_size
        data = os.pread(self.stack_file, _STACK_BYTES, 0)
        if size > len(data):
            rest = os.pread(self.stack_file, _STACK_BYTES, max(len(data), size - _STACK_BYTES))
            data += b"\n[...]\n" + rest
        return _IDLE_THREAD.sub("", data.decode("utf-8", "replace")).strip() or None

    def has_whole_stack(self) -> bool:
        """Whether what it wrote ends where a stack may: with a frame, and not only that of the thread that waits to be
        asked. It writes word by word, and on a busy machine may pause anywhere.
        """
        size = os.fstat(self.stack_file).st_size
        tail = os.pread(self.stack_file, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        last = tail.removesuffix(b"\n").rpartition(b"\n")[2]
        return tail.endswith(b"\n") and last.startswith(b"  ") and self.read_stack() is not None

    def close(self) -> None:
        """Let go of the pipes; the broker has read them."""
        for descriptor in (self.talk, self.raw, self.stack_file, self.go):
            if descriptor >= 0:
                os.close(descriptor)
        self.talk = self.raw = self.stack_file = self.go = -1
