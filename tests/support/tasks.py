"""Tasks for the tests. Imported by the template of each test's tree."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from supervisor import TaskCancelledError, current_task, task


@task
def add(left: int, right: int) -> int:
    return left + right


@task
def submit_another(left: int, right: int) -> str:
    """Submits from inside a task; the id."""
    return add.delay(left, right).id


@task
def noop() -> None:
    return None


@task
def who_am_i() -> tuple[int, int]:
    """The worker's pid, and that of its parent."""
    return os.getpid(), os.getppid()


@task
def note(path: str, text: str = "ran\n") -> int:
    """Append a line to a file: how often something ran can be read there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, text.encode())
    os.close(descriptor)
    return os.getpid()


@task
def fail(message: str = "as asked") -> None:
    raise ValueError(message)


@task
def fail_until(attempt: int) -> int:
    """Fails until this attempt."""
    now = current_task().attempt
    if now < attempt:
        raise RuntimeError(f"attempt {now}")
    return now


@task
def endless_loop() -> None:
    print("about to loop")
    while True:
        pass


@task
def hold_the_gil(seconds: float = 600.0) -> None:
    """Sleeps in C without letting go of the interpreter: no signal handler written in Python runs."""
    print("about to hold the GIL")
    ctypes.PyDLL(None).usleep(int(seconds * 1e6)) if seconds < 1 else ctypes.PyDLL(None).sleep(int(seconds))


@task
def stop_itself() -> None:
    print("about to stop")
    os.kill(os.getpid(), signal.SIGSTOP)


@task
def block_all_signals() -> None:
    print("about to block every signal")
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    while True:
        pass


@task
async def never_yields() -> None:
    print("about to hold the event loop")
    while True:
        pass


@task
async def add_later(left: int, right: int) -> int:
    await asyncio.sleep(0.01)
    return left + right


@task
async def sleep_async(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@task
def sleep(seconds: float, path: str = "") -> str:
    """Sleeps; first writes its pid into ``path``."""
    if path:
        Path(path).write_text(str(os.getpid()))
    time.sleep(seconds)
    return "slept"


@task
def wait_for_file(path: str, seconds: float = 30.0) -> str:
    """Ends when the file is there."""
    until = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.005)
    return "seen"


@task
def tidy_up_when_cancelled(path: str) -> None:
    """Says so in ``path`` when it is cancelled."""
    try:
        Path(path).write_text("started")
        time.sleep(600)
    except TaskCancelledError:
        Path(path).write_text("cancelled")
        raise


@task
def segfault() -> None:
    ctypes.string_at(0)


@task
def abort() -> None:
    os.abort()


@task
def leave(code: int) -> None:
    os._exit(code)


@task
def kill_myself(signum: int) -> None:
    os.kill(os.getpid(), signum)
    time.sleep(60)


@task
def take_memory(megabytes: int) -> None:
    """Takes memory a step at a time, then stays."""
    held = []
    for _ in range(megabytes):
        held.append(bytearray(os.urandom(1024) * 1024))
        time.sleep(0.0005)
    time.sleep(60)


_CHILD = """
import os, signal, sys, time
for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(signum, signal.SIG_IGN)
kind, path = sys.argv[1:]
if kind != "child":
    os.setsid()
if kind == "daemon" and os.fork():
    os._exit(0)
with open(path, "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""


@task
def spawn_family(path: str, then: str = "loop") -> None:
    """Starts a child, a child in its own session and a double-forked daemon; each writes its pid into ``path``."""
    for kind in ("child", "session", "daemon"):
        subprocess.Popen([sys.executable, "-c", _CHILD, kind, path])
    until = time.monotonic() + 20
    while len(Path(path).read_text().split() if os.path.exists(path) else []) < 3:
        if time.monotonic() > until:
            raise TimeoutError("the family did not come")
        time.sleep(0.01)
    while then == "loop":
        pass


@task
def shout(size: int) -> int:
    """Prints so many characters."""
    line = "x" * 99 + "\n"
    for _ in range(size // 100):
        sys.stdout.write(line)
    return size


@task
def big(size: int) -> bytes:
    """A big result."""
    return b"x" * size


@task
def length(data: bytes) -> int:
    """Of a big argument."""
    return len(data)


@task
def unserialisable() -> object:
    return sys.stdout.fileno, (line for line in "")


@task
def told() -> str:
    """Tells progress and prints."""
    current_task().progress(1, 4, "a quarter")
    print("to stdout")
    print("to stderr", file=sys.stderr)
    os.system("echo from a child")
    return current_task().id


@task
def exit_by_exception() -> None:
    sys.exit("enough")
