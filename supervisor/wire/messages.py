"""The messages that clients, workers and the broker exchange.

They travel as arrays. Task ids are 16 bytes; a *lease* is the number of one handing-out of a task to a worker: it
grows for ever, so it names the attempt, fences late answers, and orders what one worker was given.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct, msgpack

from supervisor.core.keys import Keys
from supervisor.core.ties import Ties
from supervisor.wire.options import NO_OPTIONS, Options

TaskId = Annotated[bytes, Meta(min_length=16, max_length=16)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
LONGEST_CONTEXT = 64 * 1024
"""Bytes of a task's context, as JSON."""


class Files(IntEnum):
    """Which of a task's payloads lie in files of their own; added up. (A Flag's ``&`` costs a microsecond.)"""

    NONE = 0
    ARGUMENTS = 1
    RESULT = 2
    CONTEXT = 4
    """No file, but a row of its own: it has a context."""


class Outcome(IntEnum):
    """How a worker saw an attempt end."""

    SUCCEEDED = 0
    RAISED = 1
    SOFT_TIMEOUT = 2
    CANCELLED = 3
    RETRY = 4
    """It asked to be run again (``raise Retry``)."""
    REJECTED = 5
    """It said that no further attempt will help (``raise Reject``, an error that is never retried, its handler)."""


class Takes(IntEnum):
    """What a task's parents hand on to it, as its first argument."""

    NOTHING = 0
    RESULT = 1
    """What the one returned."""
    RESULTS = 2
    """A list of what they returned, in order."""


class Submission(Struct, frozen=True, array_like=True, gc=False):
    """A task on its way into the queue."""

    id: TaskId
    name: Name
    payload: bytes
    """The function and its arguments, opaque to everyone but workers; empty where they lie in a file."""
    options: Options = NO_OPTIONS
    delay: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    """Seconds before it may start."""
    generation: int = 0
    """The generation of the code that submitted it; workers of older code do not take it."""
    files: int = 0
    """See :class:`Files`."""
    again: bool = False
    """The client may have sent it before, and not heard the answer."""
    eta: float = 0.0
    """Wall-clock time before which it may not start; 0 for none. It follows the wall clock when that is set."""
    expires: float = 0.0
    """Seconds from now after which it is not started any more; 0 for never."""
    keys: Keys | None = None
    """None for none: what has keys costs more, and empty ones would arrive as an object like any other."""
    ties: Ties | None = None
    """The same of its parents and its group."""
    context: Annotated[bytes, Meta(max_length=LONGEST_CONTEXT)] | None = None
    """What its context begins with, as JSON; None for an empty one."""


class ErrorData(Struct, frozen=True, array_like=True, gc=False):
    """An error as plain data."""

    type: str
    message: str
    traceback: str = ""


class Report(Struct, frozen=True, array_like=True, gc=False):
    """What became of one attempt, sent by the worker that ran it."""

    lease: int
    outcome: Outcome
    result: bytes = b""
    error: ErrorData | None = None
    seconds: float = 0.0
    """How long it ran."""
    files: int = 0
    retry_in: float | None = None
    """Seconds before the next attempt, where the task chose them."""


BARE_REPORT = b"\xc1"
"""What a report without an envelope begins with, which wants no answer: a byte that MessagePack never uses."""
_encode = msgpack.Encoder().encode
_decode_report = msgpack.Decoder(Report).decode


def bare_report(report: Report) -> bytes:
    """A report as it follows many others: most of what a busy queue says is this."""
    return BARE_REPORT + _encode(report)


def decode_bare_report(body: bytes) -> Report:
    """The report in such a message; msgspec.MsgspecError for one that makes no sense."""
    return _decode_report(memoryview(body)[1:])


class Hello(Struct, frozen=True, array_like=True, gc=False):
    """A worker introduces itself on a new connection."""

    worker: int
    """The number that the master gave it."""
    slot: int
    pid: int
    generation: int


class KillData(Struct, frozen=True, array_like=True, gc=False):
    """A kill that a task's error handler is asked about."""

    attempt: int
    timed_out: bool
    """Whether it was killed at its hard limit; else its process died."""
    message: str
    stack: str | None
    timeout: float | None
    """The hard limit that it ran past, in seconds."""


class Extra(Struct, frozen=True, array_like=True, gc=False):
    """What few tasks have, on its way to their worker."""

    context: bytes = b""
    """As JSON; empty for none."""
    profile: bool = False
    """Whether it is to be looked at while it runs."""
    takes: Takes = Takes.NOTHING


class Grant(Struct, frozen=True, array_like=True, gc=False):
    """A task handed to a worker, with all that is needed to run it."""

    lease: int
    seq: int
    id: bytes
    name: str
    payload: bytes
    files: int
    attempt: int
    """1 for the first; attempts that were put back uncounted do not count."""
    deadline_ns: int
    """Monotonic nanoseconds at which the master kills the first task of a batch; 0 for never."""
    timeout: float | None
    soft_timeout: float | None
    memory_limit: int | None
    leave_children: bool
    retries_left: int = 0
    """How often it may run again if it raises now."""
    store_result: bool = True
    asked: KillData | None = None
    """Not to be run: its error handler is to be asked whether it runs again after this kill."""
    extra: Extra | None = None


class ProgressData(Struct, frozen=True, array_like=True, gc=False):
    """How far a task is, by its own word."""

    done: float
    total: float | None = None
    message: str = ""
    rate: float | None = None
    """How much is done in a second, of late; None while that is not known."""
    at: float = 0.0
    """When it said so, wall-clock seconds."""


class ProfileData(Struct, frozen=True, array_like=True, gc=False):
    """What an attempt took."""

    cpu: float
    """Seconds of CPU time, of its children too where it waited for them."""
    rss: int
    """Most bytes that it had in memory."""
    text: str = ""
    """Where the time went; empty where that is not known."""


class TaskRow(Struct, frozen=True, array_like=True, gc=False):
    """What a client gets to read about a task; every time is wall-clock seconds since 1970."""

    id: bytes
    name: str
    state: str
    priority: int
    attempt: int
    created_at: float
    due_at: float | None
    started_at: float | None
    ended_at: float | None
    worker: int | None
    cause: str | None
    error: ErrorData | None
    stack: str | None
    output: str
    progress: ProgressData | None
    options: Options
    files: int
    result: bytes | None = None
    retried: int = 0
    """How often it was taken up again after it had ended."""
    context: bytes = b""
    """As JSON; empty for none."""
    parents: tuple[bytes, ...] = ()


class AttemptRow(Struct, frozen=True, array_like=True, gc=False):
    """What a client gets to read about one attempt that has ended."""

    number: int
    worker: int
    started_at: float
    ended_at: float
    cause: str
    """Empty for one that succeeded."""
    error: ErrorData
    stack: str | None
    output: str
    progress: ProgressData | None = None
    profile: ProfileData | None = None


class ArgumentsRow(Struct, frozen=True, array_like=True, gc=False):
    """What a client gets to read of a task's arguments, to be opened by itself."""

    name: str
    payload: bytes
    files: int
    hidden: tuple[str, ...]


class MemberSlice(Struct, frozen=True, array_like=True, gc=False):
    """Some of several tasks that belong together, in their order, with their results and without their output."""

    rows: list[TaskRow | None]
    """None for one of which nothing is known any more."""
    total: int
    """How many they are in all."""


class GroupRow(Struct, frozen=True, array_like=True, gc=False):
    """How far a group is."""

    members: list[tuple[TaskId, str]]
    """Id and state of each of which anything is known, in order."""
    size: int
    """How many there were."""


Span = tuple[int, int] | None
"""Where to go on in the order of arrival, and where to end."""


class Cleared(Struct, frozen=True, array_like=True, gc=False):
    """Part of a walk through the tasks that wait, in the order of their arrival."""

    count: int
    """How many of them were cancelled."""
    rest: Span
    """What is still to be gone through; None at the end."""


class DeadSlice(Struct, frozen=True, array_like=True, gc=False):
    """Part of a walk through the dead letters, from the latest to the earliest end."""

    rows: list[TaskRow]
    count: int
    """How many were listed, retried or dropped."""
    place: tuple[float, bytes] | None
    """Where to go on; None at the end."""


class DeadQuery(Struct, frozen=True, array_like=True, gc=False):
    """Which dead letters are meant."""

    place: tuple[float, bytes]
    """Only those that ended before this: (wall-clock time, id)."""
    after: float = 0.0
    """Only those that ended at this wall-clock time or later."""
    name: str = ""
    """Only those of tasks with this name, in which ``*``, ``?`` and ``[…]`` are as in file names; empty for any."""
    most: Annotated[int, Meta(ge=1, le=1000)] = 100
