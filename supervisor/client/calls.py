"""The calls that clients make, each written once for the blocking and for the asyncio side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from supervisor.wire.messages import Submission, TaskRow

T = TypeVar("T")
_SLACK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call. Each may safely be made more than once, and is, over a new connection, when no answer came."""

    method: str
    arguments: Callable[[float, bool], tuple[object, ...]]
    """The arguments, given the seconds left and whether the call was made before."""
    decode: Callable[[msgspec.Raw], T]
    timeout: float
    """Seconds for the whole of it."""
    slack: float = 0.0
    """Seconds more for the answer itself, where the broker keeps the time."""


_plain: Callable[[msgspec.Raw], Any] = msgspec.msgpack.Decoder().decode
_row = msgspec.msgpack.Decoder(TaskRow | None).decode
_bool = msgspec.msgpack.Decoder(bool).decode
_int = msgspec.msgpack.Decoder(int).decode
_dict = msgspec.msgpack.Decoder(dict[str, Any]).decode
_dicts = msgspec.msgpack.Decoder(list[dict[str, Any]]).decode


def submit(submission: Submission, timeout: float) -> Call[bool]:
    """Put a task into the queue. When it was tried before, it says so: the first try may have been accepted."""

    def arguments(left: float, again: bool) -> tuple[object, ...]:
        return (msgspec.structs.replace(submission, again=True) if again else submission,)

    return Call("submit", arguments, _bool, timeout)


def submit_many(submissions: list[Submission], timeout: float) -> Call[int]:
    """Put many into it in one round trip: all of them, or none."""

    def arguments(left: float, again: bool) -> tuple[object, ...]:
        return ([msgspec.structs.replace(each, again=True) for each in submissions] if again else submissions,)

    return Call("submit_many", arguments, _int, timeout)


def task(task_id: bytes, timeout: float, *, with_result: bool) -> Call[TaskRow | None]:
    """Read about a task."""
    return Call("task", lambda left, again: (task_id, with_result), _row, timeout)


def wait(task_id: bytes, timeout: float, *, with_result: bool) -> Call[TaskRow | None]:
    """Read about a task when it has ended, or the time is up."""
    return Call("wait", lambda left, again: (task_id, left, with_result), _row, timeout, _SLACK_SECONDS)


def cancel(task_id: bytes, timeout: float) -> Call[bool]:
    """Cancel a task."""
    return Call("cancel", lambda left, again: (task_id,), _bool, timeout)


def stats(timeout: float) -> Call[dict[str, Any]]:
    """Read the queue's numbers."""
    return Call("stats", lambda left, again: (), _dict, timeout)


def workers(timeout: float) -> Call[list[dict[str, Any]]]:
    """Read what the workers hold."""
    return Call("workers", lambda left, again: (), _dicts, timeout)
