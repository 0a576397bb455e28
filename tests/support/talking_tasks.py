"""Tasks that print, log and yield."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

from supervisor import SoftTimeoutError, TaskCancelledError, current_task, task
from tests.support.tasks import wait_for_file

log = logging.getLogger(__name__)


def _note(path: str, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _kill_myself_once() -> None:
    if current_task().attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


# -- lines -------------------------------------------------------------------------------------------------------


@task
def say_everything() -> None:
    """Prints and logs in every way."""
    print("printed", "in", "pieces")
    print("to stderr", file=sys.stderr)
    log.info("import of %s", "a file", extra={"step": 1, "rows": [1, 2], "what": object})
    log.debug("not kept")
    current_task().log.warning("from the task's own")
    try:
        raise ValueError("on purpose")
    except ValueError:
        log.exception("failed")
    os.write(1, b"past Python\n")


@task
def count_lines(lines: int, pause: float = 0.0, kill_at: int = -1) -> None:
    """Logs and prints numbers; may kill its process at one of them, the first time."""
    for number in range(lines):
        if number == kill_at:
            _kill_myself_once()
        if number % 2:
            print(f"line {number}")
        else:
            log.info("line %d", number)
        time.sleep(pause)


@task
def say_when_told(folder: str, words: list[str]) -> None:
    """Logs each word when a file with its name is there."""
    for word in words:
        wait_for_file(str(Path(folder) / word), 60.0)
        log.info(word)
    wait_for_file(str(Path(folder) / "end"), 60.0)


# -- streams -----------------------------------------------------------------------------------------------------


@task
def numbers(count: int, kill_at: int = -1) -> Generator[int, None, str]:
    """Yields numbers; may kill its process before one of them, the first time."""
    for number in range(count):
        if number == kill_at:
            _kill_myself_once()
        yield number
    return f"{count} in attempt {current_task().attempt}"


@task
async def numbers_async(count: int) -> AsyncIterator[int]:
    """The same on an event loop."""
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@task(max_retries=0)
def numbers_when_told(folder: str, count: int) -> Iterator[int]:
    """Yields each number when a file with its name is there."""
    for number in range(count):
        wait_for_file(str(Path(folder) / str(number)), 60.0)
        yield number


@task
def fewer_each_time(counts: list[int]) -> Iterator[tuple[int, int]]:
    """Yields so many items in each attempt, and kills its process but for in the last."""
    attempt = current_task().attempt
    for number in range(counts[attempt - 1]):
        yield attempt, number
    if attempt < len(counts):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


@task
def die_when_told(path: str) -> Iterator[tuple[int, int]]:
    """Yields two items, and kills its process when a file is there; the next attempt yields three."""
    attempt = current_task().attempt
    yield attempt, 0
    yield attempt, 1
    wait_for_file(path, 60.0)
    _kill_myself_once()
    yield attempt, 2


@task(max_retries=0)
def raise_after(count: int) -> Iterator[int]:
    """Yields, then raises."""
    yield from range(count)
    raise ValueError("no more")


@task(max_retries=0)
def megabytes(count: int) -> Iterator[bytes]:
    """Yields what is too large for the journal."""
    for number in range(count):
        yield bytes([number]) * (1 << 20)


@task(max_retries=3, retry_delay=0)
def what_cannot_cross(path: str) -> Iterator[object]:
    """Yields something that cannot be serialised."""
    _note(path, "ran")
    try:
        yield 1
        yield (number for number in range(1))
    finally:
        _note(path, "tidied up")


@task(max_retries=0)
def tidy_up(path: str, pause: float, catch: bool = False) -> Iterator[int]:
    """Yields until it is interrupted, and notes by what."""
    try:
        for number in range(1_000_000):
            yield number
            if pause:
                time.sleep(pause)
    except (SoftTimeoutError, TaskCancelledError) as error:
        _note(path, type(error).__name__)
        if not catch:
            raise
        yield -1
    finally:
        _note(path, "finally")


@task(max_retries=0)
async def tidy_up_async(path: str, pause: float) -> AsyncIterator[int]:
    """The same on an event loop."""
    try:
        for number in range(1_000_000):
            yield number
            await asyncio.sleep(pause)
    finally:
        _note(path, "finally")


@task(max_retries=0)
def fork_and_yield(path: str) -> Iterator[str]:
    """Forks in the middle, and yields in both processes."""
    yield "before"
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        _note(path, str(os.waitstatus_to_exitcode(status)))
    yield "child" if pid == 0 else "parent"


@task(store_result=False)
def without_result(count: int) -> Generator[int, None, str]:
    """Yields; what it returns is not kept."""
    yield from range(count)
    return "not kept"


@task(max_retries=0)
def stop_the_broker(count: int, pid: int) -> Iterator[int]:
    """Stops the broker, so that the items after the first wait."""
    for number in range(count):
        yield number
        if number == 0:
            os.kill(pid, signal.SIGSTOP)
