"""Fault points: named places where a test has a process killed, stopped or asked to end.

Before and after each send, receive and commit. In production there are none: :func:`play` wraps the methods that do
these things only where the environment names a folder, so nothing is even looked up on any task's way.

A test *arms* a point by a file in that folder, named by role and point, which holds the name of a signal. The first
process that gets there takes the file away, in one step, and sends itself the signal. (The idea: fail points, as in
FreeBSD's fail(9) and TiKV's fail-rs.)
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

VARIABLE = "SUPERVISOR_FAULTS"
"""Names the folder."""
_MET = ".met"
_LINE = ("line.send", "line.receive")
ROLES: dict[str, tuple[str, ...]] = {
    "broker": ("receive", "commit", "commit.held", "send", *_LINE),
    "worker": ("send", "receive"),
    "master": (*_LINE, "control"),
    "template": _LINE,
    "client": ("send", "receive", "asend", "areceive"),
}
"""What each kind of process does that has a point before and after it."""

_role = ""


def points(role: str) -> Iterator[str]:
    """The points of a role, in the order in which a task meets them."""
    for deed in ROLES[role]:
        yield from (f"{deed}.before", f"{deed}.after")


def play(role: str) -> None:
    """This process has that role from now on; nothing happens unless a test has set :data:`VARIABLE`."""
    global _role  # noqa: PLW0603  a fact about the process; a fork takes another role
    if VARIABLE not in os.environ:
        return
    if not _role:
        _wrap_all()
    _role = role


def arm(folder: Path, role: str, point: str, signum: signal.Signals) -> None:
    """Have the next process of this role that gets to this point send itself a signal."""
    if point not in points(role):
        raise ValueError(f"a {role} has no point {point!r}")
    (folder / f"{role}.{point}{_MET}").unlink(missing_ok=True)
    new = folder / f"{role}.{point}.new"
    new.write_text(signum.name)
    new.rename(folder / f"{role}.{point}")


def met(folder: Path, role: str, point: str) -> bool:
    """Whether a process got there after the point was armed."""
    return (folder / f"{role}.{point}{_MET}").exists()


def _wrap_all() -> None:
    # Imported here, for each process imports what it needs, and only under test all of it.
    from supervisor.broker import connection as brokers  # noqa: PLC0415
    from supervisor.client import aio  # noqa: PLC0415
    from supervisor.journal import held  # noqa: PLC0415
    from supervisor.journal.journal import Journal  # noqa: PLC0415
    from supervisor.master.control import ControlServer  # noqa: PLC0415
    from supervisor.wire import channel, connection  # noqa: PLC0415

    _wrap(brokers.Connection, "read", "receive")
    _wrap(brokers.Connection, "send", "send")
    _wrap(Journal, "write", "commit")
    _wrap(held.Connection, "write_leases", "commit.held")
    _wrap(channel.Channel, "send", "line.send")
    _wrap(channel.Channel, "receive", "line.receive")
    _wrap(ControlServer, "_serve", "control")
    _wrap(connection.Connection, "send_body", "send")
    _wrap(connection.Connection, "receive_body", "receive")
    _wrap(aio.AsyncConnection, "_send", "asend")
    _wrap(aio.AsyncConnection, "_deliver", "areceive")


def _wrap(owner: type, method: str, deed: str) -> None:
    original: Callable[..., Any] = getattr(owner, method)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _meet(f"{deed}.before")
        found = original(*args, **kwargs)
        _meet(f"{deed}.after")
        return found

    @functools.wraps(original)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        _meet(f"{deed}.before")
        found = await original(*args, **kwargs)
        _meet(f"{deed}.after")
        return found

    setattr(owner, method, awaited if inspect.iscoroutinefunction(original) else wrapped)


def _meet(point: str) -> None:
    armed = f"{os.environ.get(VARIABLE, '')}/{_role}.{point}"
    try:
        os.rename(armed, armed + _MET)
    except OSError:
        return  # as a rule: it is not armed, or another was here first
    with open(armed + _MET, encoding="ascii") as file:
        os.kill(os.getpid(), signal.Signals[file.read()])
