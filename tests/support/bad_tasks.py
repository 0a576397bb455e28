"""Tasks that hang, crash, eat memory or leave processes behind, beyond those in :mod:`tests.support.tasks`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import mmap
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from supervisor import SoftTimeoutError, TaskCancelledError, current_task, task

SPAN = 60.0
"""Seconds after which whatever a failed test left behind ends by itself."""


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, text.encode())
    os.close(descriptor)


@task
def search_for_ever() -> bool:
    """Holds the interpreter in C for ever, in the standard library's own code."""
    print("about to search for ever")
    return any(itertools.repeat(False))


@task
def sleep_through(seconds: float = SPAN) -> None:
    """Hears of its soft limit and sleeps on."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(SoftTimeoutError):
            time.sleep(until - time.monotonic())


@task
def ignore_all_signals() -> None:
    """Hangs, and cannot be asked for its stack."""
    for signum in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(signum, signal.SIG_IGN)
    print("about to ignore")
    time.sleep(SPAN)


@task
def hang_with_many_threads(count: int, signum: str = "") -> None:
    """Hangs, or dies, with a long stack in each of many threads."""
    print("about to hang with threads")

    def dig(depth: int) -> None:
        if depth:
            dig(depth - 1)
        else:
            time.sleep(SPAN)

    for _ in range(count):
        threading.Thread(target=dig, args=(95,), daemon=True).start()
    if signum:
        os.kill(os.getpid(), getattr(signal, signum))
    time.sleep(SPAN)


@task
def loop_again(path: str) -> None:
    """Notes that it runs, then loops."""
    _write(path, f"{current_task().attempt}\n")
    while True:
        pass


@task
def last_moment(path: str) -> str:
    """Ends a few milliseconds before its deadline."""
    left = current_task().time_left()
    assert left is not None
    while (left := current_task().time_left() or 0.0) > 0.006:
        pass
    return f"{left:.4f} s early"


# -- soft limits and cancels -----------------------------------------------------------------------------------


@task
def sleep_softly(path: str, catch: bool) -> str:
    """Sleeps until its soft limit; catches that or not."""
    _write(path, "run\n")
    try:
        time.sleep(SPAN)
    except SoftTimeoutError as error:
        if not catch:
            raise
        return f"tidied up after {error.seconds:g} s"
    return "overslept"


@task
async def sleep_softly_async(path: str, catch: bool) -> str:
    """The same as a coroutine, which is cancelled where it awaits."""
    _write(path, "run\n")
    try:
        await asyncio.sleep(SPAN)
    except asyncio.CancelledError:
        if not catch:
            raise
        return "tidied up"
    return "overslept"


@task
def refuse_to_be_cancelled(path: str) -> None:
    """Catches every cancel and goes on."""
    Path(path).write_text(str(os.getpid()))
    until = time.monotonic() + SPAN
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except TaskCancelledError:
            print("not me")


@task
def block_signals_quietly(path: str) -> None:
    """Blocks every signal, says so in ``path``, and loops."""
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    Path(path).write_text(str(os.getpid()))
    until = time.monotonic() + SPAN
    while time.monotonic() < until:
        pass


@task
async def tidy_up_when_cancelled_async(path: str) -> None:
    """Says in ``path`` when it is cancelled."""
    Path(path).write_text("started")
    try:
        await asyncio.sleep(SPAN)
    except asyncio.CancelledError:
        Path(path).write_text("cancelled")
        raise


@task
def spin(seconds: float) -> str:
    """Runs that long, by the clock, in Python."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
    return current_task().id


# -- memory ----------------------------------------------------------------------------------------------------


def _take(megabytes: int) -> mmap.mmap:
    held = mmap.mmap(-1, megabytes << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for offset in range(0, megabytes << 20, 4096):
        held[offset] = 1
    return held


@task
def hold_memory(megabytes: int, path: str = "", seconds: float = SPAN) -> str:
    """Takes memory at once, and holds it."""
    if path:
        _write(path, f"{os.getpid()}\n")
    held = _take(megabytes)
    time.sleep(seconds)
    held.close()
    return "held"


@task
def child_holds_memory(megabytes: int) -> None:
    """Has a child take memory."""
    print("a child takes it")
    program = f"import time; held = bytearray(b'x') * ({megabytes} << 20); time.sleep({SPAN})"
    subprocess.run([sys.executable, "-c", program], check=True)


@task
def share_memory(megabytes: int, children: int, seconds: float) -> str:
    """Takes memory and forks children that share it: all in all no more than it took alone."""
    held = _take(megabytes)
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=time.sleep, args=(seconds,)) for _ in range(children)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    held.close()
    return "shared"


_leaked: list[mmap.mmap] = []


@task
def leak(megabytes: int) -> int:
    """Never gives back what it took."""
    _leaked.append(_take(megabytes))
    return os.getpid()


# -- processes -------------------------------------------------------------------------------------------------

_CHAIN = """
import os, signal, sys, time
path, chains, sessions = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "sessions"
for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(signum, signal.SIG_IGN)
until = time.monotonic() + 60
told = os.open(path, os.O_WRONLY | os.O_APPEND)
for number in range(chains):
    if os.fork() == 0:
        break
else:
    os._exit(0)
while os.path.exists(path) and time.monotonic() < until:
    os.write(told, b".")
    if os.fork():
        os._exit(0)
    if sessions:
        os.setsid()
"""


def start_chains(path: str, chains: int, kind: str) -> None:
    """Start families of which each member forks the next and leaves, for as long as the file is there."""
    Path(path).touch()
    subprocess.Popen([sys.executable, "-S", "-E", "-c", _CHAIN, path, str(chains), kind]).wait()


@task
def respawn(path: str, chains: int, kind: str, then: str) -> str:
    """Starts chains of processes that fork and exit, then loops or returns."""
    start_chains(path, chains, kind)
    while then == "loop":
        pass
    return "left them"


@task
def leave_one_behind(path: str) -> int:
    """Leaves a child that outlives it."""
    program = f"import os, sys, time; open(sys.argv[1], 'w').close(); time.sleep({SPAN})"
    child = subprocess.Popen([sys.executable, "-S", "-c", program, path])
    until = time.monotonic() + 20
    while not os.path.exists(path):
        if time.monotonic() > until:
            raise TimeoutError("the child did not come")
        time.sleep(0.005)
    pid = child.pid
    child.returncode = 0  # nobody waits for it
    return pid


@task
def fail_beside_a_child(path: str) -> None:
    """Leaves a child and fails."""
    leave_one_behind(path)
    raise ValueError("as asked")


def _square(number: int) -> int:
    return number * number


@task
def use_a_pool(method: str, numbers: int) -> int:
    """Uses multiprocessing.Pool with one of its start methods."""
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        return sum(pool.map(_square, range(numbers)))


@task
def use_an_executor(method: str, numbers: int) -> int:
    """Uses ProcessPoolExecutor with one of multiprocessing's start methods."""
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        return sum(pool.map(_square, range(numbers)))


@task
def terminate_a_child(method: str) -> int | None:
    """Asks a multiprocessing child to end with SIGTERM; its exit code."""
    context: Any = multiprocessing.get_context(method)
    child = context.Process(target=time.sleep, args=(SPAN,))
    child.start()
    child.terminate()
    child.join(10.0)
    code: int | None = child.exitcode
    return code


@task
def crash_in_a_forked_child() -> int:
    """A forked child of the task dies of a segmentation fault, and the task goes on."""
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status)


@task
def return_twice(path: str) -> str:
    """Forks, and returns in both processes."""
    pid = os.fork()
    if pid == 0:
        return "child"
    _, status = os.waitpid(pid, 0)
    _write(path, str(os.waitstatus_to_exitcode(status)))
    return "parent"


@task
def signals_of_a_subprocess() -> dict[str, int]:
    """The masks of ignored and blocked signals of a program that the task starts."""
    text = subprocess.run(["cat", "/proc/self/status"], check=True, capture_output=True, text=True).stdout
    lines = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return {name: int(lines[name], 16) for name in ("SigIgn", "SigBlk")}


@task
def leave_one_and_kill_the_master(path: str) -> None:
    """Starts a child and kills the master in the same moment. The second attempt does nothing."""
    if Path(path).exists():
        return
    child = subprocess.Popen([sys.executable, "-S", "-c", f"import time; time.sleep({SPAN})"])
    Path(path).write_text(str(child.pid), encoding="utf-8")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(SPAN)


@task
def terminate_a_subprocess() -> int:
    """Asks a program that it started to end with SIGTERM; its return code."""
    program = subprocess.Popen(["sleep", str(SPAN)])
    program.terminate()
    return program.wait(10.0)


# -- crashes ---------------------------------------------------------------------------------------------------


@task
def die(path: str, how: str) -> None:
    """Notes that it runs, then ends its process."""
    _write(path, f"{os.getpid()}\n")
    print("about to die")
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "abort":
        os.abort()
    elif how == "exit":
        os._exit(23)
    else:
        os.kill(os.getpid(), getattr(signal, how))
    time.sleep(SPAN)


@task
def die_first(path: str, times: int) -> int:
    """Kills its process that often, then succeeds."""
    _write(path, "run\n")
    if Path(path).read_text().count("run") <= times:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(SPAN)
    return current_task().attempt


@task
def first_sleep_then_return(path: str) -> int:
    """Writes its pid and sleeps, the first time; then returns its attempt."""
    attempt = current_task().attempt
    if attempt == 1:
        _write(path, f"{os.getpid()}\n")
        time.sleep(SPAN)
    return attempt


@task
def note_number(path: str, number: int, payload: bytes = b"") -> int:
    """Writes its number and its pid into ``path``, in one line, and takes a moment."""
    _write(path, f"{number} {os.getpid()}\n")
    time.sleep(0.006)
    return number


@task
def note_and_wait(path: str, go: str) -> int:
    """Writes its pid into ``path``, and ends when ``go`` is there."""
    _write(path, f"{os.getpid()}\n")
    until = time.monotonic() + SPAN
    while not os.path.exists(go) and time.monotonic() < until:
        time.sleep(0.005)
    return os.getpid()


@task
def kill_the_master(path: str) -> None:
    """Takes the whole tree of processes down with it."""
    _write(path, "run\n")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(SPAN)


@task
def imported_by(module: str) -> int:
    """The pid of the process that imported a module which notes that."""
    found: int = sys.modules[module].PID
    return found


@task
def short(path: str, number: int, killer: int) -> int:
    """One of many short tasks; a certain one kills the worker."""
    _write(path, f"{number}\n")
    if number == killer and Path(path).read_text().split().count(str(number)) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(SPAN)
    return current_task().attempt
