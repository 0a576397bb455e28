"""The calls that clients make, each written once for the blocking and for the asyncio side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from supervisor.core.plan import Plan, ScheduleRow
from supervisor.queue_stats import QueueStats
from supervisor.wire.figures import BrokerFigures
from supervisor.wire.info import Info, Looked
from supervisor.wire.messages import (
    ArgumentsRow,
    AttemptRow,
    Cleared,
    DeadQuery,
    DeadSlice,
    GroupRow,
    MemberSlice,
    Span,
    Submission,
    TaskRow,
)
from supervisor.wire.numbers import Condition, WorkerRow
from supervisor.wire.talks import ItemSlice, Place, SaidSlice, Seen

T = TypeVar("T")
_SLACK_SECONDS = 2.0
_STOPPING_SECONDS = 10.0
"""How long it may take to stop what a drained queue has not ended."""
ChangeRow = tuple[float, int, int, str, str, str]


class Call(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """One call. Each may safely be made more than once, and is, over a new connection, when no answer came."""

    method: str
    arguments: Callable[[float, bool], tuple[object, ...]]
    """The arguments, given the seconds left and whether the call was made before."""
    decode: Callable[[msgspec.Raw], T]
    timeout: float
    """Seconds for the whole of it."""
    slack: float = 0.0
    """Seconds more for the answer itself, where the broker keeps the time."""
    meanwhile: Callable[[], None] | None = None
    """What may be done, once or again, between the call and its answer."""


_plain: Callable[[msgspec.Raw], Any] = msgspec.msgpack.Decoder().decode
_row = msgspec.msgpack.Decoder(TaskRow | None).decode
_attempts = msgspec.msgpack.Decoder(list[AttemptRow]).decode
_said = msgspec.msgpack.Decoder(SaidSlice).decode
_items = msgspec.msgpack.Decoder(ItemSlice).decode
_arguments = msgspec.msgpack.Decoder(ArgumentsRow).decode
_cleared = msgspec.msgpack.Decoder(Cleared).decode
_slice = msgspec.msgpack.Decoder(DeadSlice).decode
_members = msgspec.msgpack.Decoder(MemberSlice).decode
_group = msgspec.msgpack.Decoder(GroupRow).decode
_int = msgspec.msgpack.Decoder(int).decode
_bool = msgspec.msgpack.Decoder(bool).decode
_maybe_bool = msgspec.msgpack.Decoder(bool | None).decode
_id = msgspec.msgpack.Decoder(bytes).decode
_ids = msgspec.msgpack.Decoder(list[bytes]).decode
_dict = msgspec.msgpack.Decoder(dict[str, Any]).decode
_schedules = msgspec.msgpack.Decoder(list[ScheduleRow] | None).decode
_dicts = msgspec.msgpack.Decoder(list[dict[str, Any]]).decode


_stats = msgspec.msgpack.Decoder(QueueStats).decode
_figures = msgspec.msgpack.Decoder(BrokerFigures).decode
_condition = msgspec.msgpack.Decoder(Condition).decode
_workers = msgspec.msgpack.Decoder(list[WorkerRow]).decode
_changes = msgspec.msgpack.Decoder(list[ChangeRow]).decode
_info = msgspec.msgpack.Decoder(Info).decode
_looked = msgspec.msgpack.Decoder(Looked | None).decode


class NotImportedError(ConnectionError):
    """Nobody can say yet what is registered; asked again, as where nobody answers."""

    def __init__(self) -> None:
        super().__init__("its tasks are not imported yet, so nobody knows their names")


def _known(decode: Callable[[msgspec.Raw], T | None]) -> Callable[[msgspec.Raw], T]:
    def decode_known(value: msgspec.Raw) -> T:
        found = decode(value)
        if found is None:
            raise NotImportedError
        return found

    return decode_known


_known_bool = _known(_maybe_bool)
_known_id = _known(msgspec.msgpack.Decoder(bytes | None).decode)


def info(timeout: float) -> Call[Info]:
    """Ask how to submit."""
    return Call("info", lambda left, again: (), _info, timeout)


def look(name: str, timeout: float) -> Call[Looked]:
    """Ask what is registered under a name, once that is known."""
    return Call("look", lambda left, again: (name,), _known(_looked), timeout)


def submit(submission: Submission, timeout: float) -> Call[bytes]:
    """Put a task into the queue; the id of the task that stands for it (another's, that holds its key).

    When it was tried before, it says so: the first try may have been accepted.
    """

    def arguments(left: float, again: bool) -> tuple[object, ...]:
        return (msgspec.structs.replace(submission, again=True) if again else submission,)

    return Call("submit", arguments, _id, timeout)


def submit_many(
    submissions: list[Submission], timeout: float, meanwhile: Callable[[], None] | None = None
) -> Call[list[bytes]]:
    """Put many into it in one round trip: all of them, or none."""

    def arguments(left: float, again: bool) -> tuple[object, ...]:
        return ([msgspec.structs.replace(each, again=True) for each in submissions] if again else submissions,)

    return Call("submit_many", arguments, _ids, timeout, meanwhile=meanwhile)


def task(task_id: bytes, timeout: float, *, with_result: bool) -> Call[TaskRow | None]:
    """Read about a task."""
    return Call("task", lambda left, again: (task_id, with_result), _row, timeout)


def wait(task_id: bytes, timeout: float, *, with_result: bool) -> Call[TaskRow | None]:
    """Read about a task when it has ended, or the time is up."""
    return Call("wait", lambda left, again: (task_id, left, with_result), _row, timeout, _SLACK_SECONDS)


def wait_within(task_id: bytes, timeout: float, by: bytes) -> Call[TaskRow | None]:
    """:func:`wait` of a task that runs itself (``by``)."""
    return Call("wait_within", lambda left, again: (task_id, left, True, by), _row, timeout, _SLACK_SECONDS)


def handed(task_id: bytes, first: int, timeout: float) -> Call[MemberSlice]:
    """Read what some of a running task's parents hand on to it."""
    return Call("handed", lambda left, again: (task_id, first), _members, timeout)


def group(group_id: bytes, timeout: float) -> Call[GroupRow]:
    """Read the members of a group and their states."""
    return Call("group", lambda left, again: (group_id,), _group, timeout)


def records(ids: list[bytes], timeout: float) -> Call[MemberSlice]:
    """Read what several tasks have come to, the first of them at least."""
    return Call("records", lambda left, again: (ids,), _members, timeout)


def cancel_group(group_id: bytes, timeout: float) -> Call[int]:
    """Cancel what is unfinished of a group."""
    return Call("cancel_group", lambda left, again: (group_id,), _int, timeout)


def said(task_id: bytes, place: Place, wait: float, timeout: float) -> Call[SaidSlice]:
    """Read what a task has said behind a place, when there is something, or the time is up."""
    longest = max(wait, timeout)
    return Call("said", lambda left, again: (task_id, place, min(left, wait)), _said, longest, _SLACK_SECONDS)


def items(task_id: bytes, seen: Seen, wait: float, timeout: float) -> Call[ItemSlice]:
    """Read the next items of a stream, when there are some, or the time is up."""
    longest = max(wait, timeout)
    return Call("items", lambda left, again: (task_id, seen, min(left, wait)), _items, longest, _SLACK_SECONDS)


def cancel(task_id: bytes, timeout: float) -> Call[bool]:
    """Cancel a task."""
    return Call("cancel", lambda left, again: (task_id,), _bool, timeout)


def clear(span: Span, name: str | None, queue: str | None, timeout: float) -> Call[Cleared]:
    """Cancel what waits among the first tasks of a span; of all, for None."""
    return Call("clear", lambda left, again: (span, name or "", queue or ""), _cleared, timeout)


def prioritise(task_id: bytes, priority: int, timeout: float) -> Call[bool]:
    """Change the priority of a task that has not started."""
    return Call("prioritise", lambda left, again: (task_id, priority), _bool, timeout)


def arguments(task_id: bytes, timeout: float) -> Call[ArgumentsRow]:
    """Read the arguments of a task."""
    return Call("arguments", lambda left, again: (task_id,), _arguments, timeout)


def attempts(task_id: bytes, timeout: float) -> Call[list[AttemptRow]]:
    """Read about the attempts of a task that have ended."""
    return Call("attempts", lambda left, again: (task_id,), _attempts, timeout)


def retry(task_id: bytes, retried: int, timeout: float) -> Call[bool]:
    """Take a task up again that has ended, if that was done ``retried`` times before."""
    return Call("retry", lambda left, again: (task_id, retried, again), _bool, timeout)


def drop(task_id: bytes, timeout: float) -> Call[bool | None]:
    """Drop a dead letter; None for "not all of it yet, ask again"."""
    return Call("drop", lambda left, again: (task_id, again), _maybe_bool, timeout)


def dead(action: str, query: DeadQuery, timeout: float) -> Call[DeadSlice]:
    """List a slice of the dead letters (``dead``), take it up again (``retry_dead``) or drop it (``drop_dead``)."""
    return Call(action, lambda left, again: (query,), _slice, timeout)


def schedules(timeout: float) -> Call[list[ScheduleRow]]:
    """Read the schedules, once those of the code are known."""
    return Call("schedules", lambda left, again: (), _known(_schedules), timeout)


def pause_schedule(name: str, paused: bool, timeout: float) -> Call[bool]:
    """Pause or resume a schedule."""
    return Call("pause_schedule", lambda left, again: (name, paused), _known_bool, timeout)


def run_schedule(name: str, task_id: bytes, timeout: float) -> Call[bytes]:
    """Submit the task of a schedule now; the id of the task that stands for it."""
    return Call("run_schedule", lambda left, again: (name, task_id), _known_id, timeout)


def add_schedule(plan: Plan, timeout: float) -> Call[bool]:
    """Begin a schedule, or change it."""
    return Call("add_schedule", lambda left, again: (plan,), _bool, timeout)


def remove_schedule(name: str, timeout: float) -> Call[bool]:
    """Drop a schedule that was added."""
    return Call("remove_schedule", lambda left, again: (name, again), _bool, timeout)


def queues(timeout: float) -> Call[list[dict[str, Any]]]:
    """Read the named queues."""
    return Call("queues", lambda left, again: (), _dicts, timeout)


def pause(name: str, paused: bool, timeout: float) -> Call[bool]:
    """Pause or resume a named queue."""
    return Call("pause", lambda left, again: (name, paused), _bool, timeout)


def weigh(name: str, weight: float, timeout: float) -> Call[bool]:
    """Give a named queue a weight."""
    return Call("weigh", lambda left, again: (name, weight), _bool, timeout)


def hasten(task_id: bytes, timeout: float) -> Call[bool]:
    """Have a task run before others, since a task waits for it; False when nobody has to wait for it."""
    return Call("hasten", lambda left, again: (task_id,), _bool, timeout)


def stats(timeout: float) -> Call[QueueStats]:
    """Read the queue's numbers."""
    return Call("stats", lambda left, again: (), _stats, timeout)


def figures(timeout: float) -> Call[BrokerFigures]:
    """Read what the broker has counted since its start, as it is."""
    return Call("figures", lambda left, again: (), _figures, timeout)


def condition(timeout: float) -> Call[Condition]:
    """Read whether it accepts, whether it is shutting down, and how much runs."""
    return Call("condition", lambda left, again: (), _condition, timeout)


def workers(timeout: float) -> Call[list[WorkerRow]]:
    """Read what the workers hold."""
    return Call("workers", lambda left, again: (), _workers, timeout)


def drain(timeout: float) -> Call[list[bytes]]:
    """Close the queue, and wait for what runs; the ids of what had to be stopped."""
    return Call("drain", lambda left, again: (max(0.0, left - _STOPPING_SECONDS),), _ids, timeout + _STOPPING_SECONDS)


def reopen(timeout: float) -> Call[bool]:
    """Take in and hand out again."""
    return Call("open", lambda left, again: (), _bool, timeout)


def configure(changed: dict[str, Any], reset: list[str], timeout: float) -> Call[dict[str, Any]]:
    """Change settings; those in force."""
    return Call("configure", lambda left, again: (changed, reset), _dict, timeout)


def set_limit(key: str, most: int | None, timeout: float) -> Call[bool]:
    """Set a limit, or have what the tasks say hold again."""
    return Call("set_limit", lambda left, again: (key, most), _bool, timeout)


def set_rate(key: str, rate: tuple[int, float] | None, timeout: float) -> Call[bool]:
    """Set a rate, or have what the tasks say hold again."""
    return Call("set_rate", lambda left, again: (key, rate), _bool, timeout)


def changes(most: int, timeout: float) -> Call[list[ChangeRow]]:
    """Read what was changed while the system ran."""
    return Call("changes", lambda left, again: (most,), _changes, timeout)
