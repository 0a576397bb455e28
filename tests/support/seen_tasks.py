"""Tasks that tell of themselves while they run, for the tests of what is seen of them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import cProfile
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from supervisor import capture, commit_context, current_task, get_context, queue, set_context, task, track
from tests.support.tasks import wait_for_file

tenant: contextvars.ContextVar[Any] = contextvars.ContextVar("tenant", default="nobody")
locale: contextvars.ContextVar[str] = contextvars.ContextVar("locale")
capture(tenant, locale)


@task(retry_delay=0.0)
def tell_and_die(path: str, gate: str) -> dict[str, Any]:
    """The first attempt tells, writes its pid into a file and waits for its end; the next returns what it finds."""
    if current_task().attempt > 1:
        return {"context": get_context(), "attempt": current_task().attempt}
    set_context("step.name", "copying")
    set_context("step.files", [1, 2, 3])
    current_task().progress(3, 10, "three of ten")
    Path(path).write_text(str(os.getpid()))
    wait_for_file(gate, 60.0)
    return {"context": get_context(), "attempt": 1}


@task
def count(total: int) -> int:
    """Goes through so many, one after the other."""
    return sum(1 for _ in track(range(total), message="counting"))


@task
def count_slowly(total: int, pause: float) -> int:
    """The same, with a pause after each."""
    for _ in track(range(total), message="counting"):
        time.sleep(pause)
    return total


@task
def count_unknown(total: int) -> int:
    """The same, of something that does not tell how many there are."""
    return sum(1 for _ in current_task().track(number for number in range(total)))


@task
async def count_async(total: int) -> int:
    """The same with ``async for``."""

    async def numbers() -> AsyncIterator[int]:
        for number in range(total):
            yield number

    done = 0
    async for _ in track(numbers(), total=total):
        done += 1
        await asyncio.sleep(0)
    return done


@task
def set_many_ways() -> dict[str, Any]:
    """By threads, by a forked child, and large values at once."""
    threads = [threading.Thread(target=set_context, args=(f"threads.t{n}", "x" * 1500 + str(n))) for n in range(20)]
    for thread in threads:
        thread.start()
    child = os.fork()
    if child == 0:
        set_context("child.pid", "c" * 8000)
        os._exit(0)
    for thread in threads:
        thread.join()
    os.waitpid(child, 0)
    found: dict[str, Any] = get_context()
    return found


@task
def commit_by_hand(path: str, gate: str) -> dict[str, Any]:
    """Puts in without committing, then commits, then puts in more and ends."""
    set_context("a", 1, auto_commit=False)
    Path(path).write_text("put")
    wait_for_file(gate, 60.0)
    commit_context()
    Path(path).write_text("committed")
    wait_for_file(gate + "2", 60.0)
    set_context("b", 2, auto_commit=False)
    return {"a": get_context("a"), "nothing": get_context("c.d", "nothing")}


@task
def refused_context(kind: str) -> str:
    """What was raised."""
    set_context("number", 5)
    try:
        match kind:
            case "plain":
                set_context("a", object())
            case "large":
                set_context("a", "x" * 70_000)
            case "path":
                set_context("number.b", 1)
            case "empty":
                set_context("a..b", 1)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return "nothing"


@task
def context_of(attempts: int = 1) -> dict[str, Any]:
    """Its context, in this attempt; fails before."""
    if current_task().attempt < attempts:
        set_context("seen", current_task().attempt)
        raise ValueError("again")
    return dict(get_context())


def burn(seconds: float) -> int:
    """Takes CPU time."""
    number, until = 0, time.process_time() + seconds
    while time.process_time() < until:
        number += 1
    return number


@task(profile=True, max_retries=0, crash_budget=1)
def profiled(how: str, path: str = "") -> str:
    """Takes time and memory, and ends in one of many ways."""
    held = bytearray(30 << 20)
    burn(0.2)
    match how:
        case "raise":
            raise ValueError("as asked")
        case "threads":
            threads = [threading.Thread(target=burn, args=(0.05,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        case "itself":
            own = cProfile.Profile()
            with contextlib.suppress(ValueError):  # there can be only one, since Python 3.12
                own.runcall(burn, 0.01)
        case "wait":
            Path(path).write_text("ready")
            wait_for_file(path + ".never", 60.0)
        case "kill":
            burn(0.3)  # long enough for it to have told
            os.kill(os.getpid(), signal.SIGKILL)
    return f"{how} {len(held)}"


@task(hidden=("password",))
def log_in(user: str, password: str, *, remember: bool = False) -> str:
    """Says nothing of the password."""
    return f"{user} {remember}"


@queue.register_handler("sign_up", hidden="password")
def sign_up(data: dict[str, Any]) -> str:
    """The same, as a handler."""
    return str(data["user"])


@task
def read_variables() -> list[Any]:
    """The captured variables, as they are here."""
    return [tenant.get(), locale.get("none")]
