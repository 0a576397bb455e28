"""The tasks of a chaos run: of each kind, what it must come to follows from its number alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from supervisor import chain, current_task, task

FOLDER = Path(os.environ.get("CHAOS_FOLDER", "/nonexistent"))
_CHILD_SECONDS = "120"
_CRASHES = 20
_RETRIES = {"failing": 2, "endless": 0}
_ABORTS = 10  # the default of the setting abort_budget


def value_of(number: int) -> str:
    """What a task with this number computes."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:24]


def _note(number: int) -> None:
    """One line a run, in one write, so that it is whole or not there at all."""
    now = current_task()
    descriptor = os.open(FOLDER / "runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{now.id} {now.attempt} {number} {os.getpid()}\n".encode())
    os.close(descriptor)


class WantedError(Exception):
    """It was to fail."""


@task(crash_budget=_CRASHES)
def short(number: int) -> str:
    """Takes no time."""
    _note(number)
    return value_of(number)


@task(crash_budget=_CRASHES)
def lengthy(number: int) -> str:
    """Takes a second or less."""
    _note(number)
    time.sleep(number % 100 / 100)
    return value_of(number)


@task(crash_budget=_CRASHES, max_retries=3, retry_delay=0.1, backoff=1, retry_jitter=0)
def retrying(number: int) -> str:
    """Fails once or twice first."""
    _note(number)
    if current_task().attempt <= 1 + number % 2:
        raise WantedError
    return value_of(number)


@task(crash_budget=_CRASHES, max_retries=_RETRIES["failing"], retry_delay=0.05, backoff=1, retry_jitter=0)
def failing(number: int) -> str:
    """Fails for good."""
    _note(number)
    raise WantedError


@task(crash_budget=_CRASHES, limit=1, limit_key="chaos")
def limited(number: int) -> str:
    """Never runs beside another of its kind."""
    _note(number)
    inside = FOLDER / "inside"
    descriptor = os.open(inside, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Whoever is here was written down, and whoever was written down and lives is not to be here beside us.
        other = int(os.read(descriptor, 32) or b"0")
        if other and other != os.getpid() and os.path.exists(f"/proc/{other}") and _runs(other):
            (FOLDER / "crowded").touch()
        os.pwrite(descriptor, f"{os.getpid():<31}\n".encode(), 0)
        time.sleep(0.005)
        os.pwrite(descriptor, f"{0:<31}\n".encode(), 0)
    finally:
        os.close(descriptor)
    return value_of(number)


def _runs(pid: int) -> bool:
    """Whether it is neither a zombie nor stopped on its way to being killed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "RSD"
    except OSError:
        return False


@task(crash_budget=_CRASHES)
def spawning(number: int) -> str:
    """Leaves a process behind, which has to go with it."""
    _note(number)
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({_CHILD_SECONDS})", str(FOLDER)])
    return value_of(number)


@task(crash_budget=_CRASHES, timeout=0.3, max_retries=_RETRIES["endless"])
def endless(number: int) -> str:
    """Runs past its limit."""
    _note(number)
    while True:
        pass


@task(crash_budget=_CRASHES)
def first(number: int) -> int:
    """The beginning of a chain."""
    _note(number)
    return number


@task(crash_budget=_CRASHES)
def second(number: int) -> str:
    """Its end, which is given what came before."""
    _note(number)
    return value_of(number)


def submit(kind: str, number: int) -> str:
    """Submit a task of a kind; its id."""
    match kind:
        case "scheduled":
            return short.options(delay=0.2 + number % 30 / 10).delay(number).id
        case "chained":
            return chain(first.step(number), second.step()).delay().id
        case _:
            return KINDS[kind][0].delay(number).id


KINDS = {
    "short": (short, "succeeded", 60),
    "lengthy": (lengthy, "succeeded", 1),
    "retrying": (retrying, "succeeded", 8),
    "failing": (failing, "failed", 3),
    "scheduled": (short, "succeeded", 10),
    "chained": (second, "succeeded", 8),
    "limited": (limited, "succeeded", 6),
    "spawning": (spawning, "succeeded", 2),
    "endless": (endless, "timed_out", 0.5),
}
"""The task whose id stands for it, how it ends, and how many in about a hundred there are."""


def attempts_allowed(kind: str) -> int:
    """How many attempts of a task may count, whatever is killed."""
    return _RETRIES.get(kind, 3) + 1 + _CRASHES + _ABORTS
