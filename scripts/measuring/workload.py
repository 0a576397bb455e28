"""The tasks that are measured. Imported by the trees that ``scripts/measure`` starts."""

from __future__ import annotations

import os
import time

from supervisor import task

if seconds := float(os.environ.get("MEASURE_IMPORT_SECONDS", "0")):
    time.sleep(seconds)  # an application that takes its time to import
BURN = 0.2
"""Seconds of CPU time that one burning takes."""
HEAP = [str(number) for number in range(int(os.environ.get("MEASURE_HEAP_OBJECTS", "0")))]


@task
def noop() -> None:
    """Nothing."""


@task
def first_line() -> int:
    """When it started, in monotonic nanoseconds."""
    return time.monotonic_ns()


@task(max_retries=0)
def spin() -> None:
    """Never ends."""
    while True:
        pass


def pool_noop() -> None:
    """Nothing, for multiprocessing.Pool."""


@task
def same(data: bytes) -> bytes:
    """What it is given."""
    return data


def burn_plainly(seconds: float) -> None:
    """Use so many seconds of CPU time, beside whatever else there is."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))


@task
def burn(seconds: float) -> None:
    """The same as a task."""
    burn_plainly(seconds)


@task
def nap(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)
