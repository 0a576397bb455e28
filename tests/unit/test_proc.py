"""What /proc says: who a process is, whether it lives, whose child it is, what it takes."""

from __future__ import annotations

import ctypes
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.system import proc
from supervisor.system.descriptors import close_all_but, sockets
from supervisor.system.prctl import die_with_parent
from supervisor.system.proc import Identity
from tests.support.waiting import until

NOBODY = 2**22 + 1  # over the most that a pid can be
_PR_SET_NAME = 15
# Only a thread of the test runner's own is alive beside us, and it takes no lock that a child would want.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

ROOT = Path(__file__).parents[2]


@contextmanager
def child(run: Callable[[], object]) -> Iterator[int]:
    """A forked child that runs this and then waits to be killed."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            run()
            os.write(done, b"!")
            signal.pause()
        finally:
            os._exit(1)
    os.close(done)
    try:
        assert os.read(ready, 1) == b"!"
        yield pid
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def nothing() -> None:
    """What a child does that has only to be there."""


def test_a_process_is_told_apart_from_a_later_one_with_its_pid() -> None:
    me = proc.identity(os.getpid())
    assert me is not None
    assert proc.is_alive(me)
    assert not proc.is_alive(Identity(me.pid, me.start + 1))
    assert proc.identity(os.getpid()) == me


def test_a_stopped_process_lives_and_a_zombie_does_not() -> None:
    with child(nothing) as pid:
        who = proc.identity(pid)
        assert who is not None
        until(lambda: proc.state(pid) == "S", "it to sleep")
        os.kill(pid, signal.SIGSTOP)
        until(lambda: proc.state(pid) == "T", "it to stop")
        assert proc.is_alive(who)
        os.kill(pid, signal.SIGKILL)
        until(lambda: proc.state(pid) == "Z", "it to die")
        assert not proc.is_alive(who)
        assert proc.resident_bytes(pid) == 0
        assert proc.command(pid) == ""


def test_of_nobody_nothing_is_known() -> None:
    assert proc.identity(NOBODY) is None
    assert proc.state(NOBODY) is None
    assert proc.parent(NOBODY) is None
    assert proc.children(NOBODY) == []
    assert list(proc.descendants(NOBODY)) == []
    assert proc.tree_resident_bytes(NOBODY) == 0
    assert proc.tree_proportional_bytes(NOBODY) == 0
    assert proc.command(NOBODY) == ""
    assert not proc.is_alive(Identity(NOBODY, 0))


@pytest.mark.parametrize("name", [b") R 1 (", b"a b) Z", b"(((", b"\xff\xfe"])
def test_a_process_may_name_itself_as_it_likes(name: bytes) -> None:
    """Its name stands among the fields of /proc/PID/stat, in parentheses that it may close itself."""
    with child(lambda: ctypes.CDLL(None).prctl(_PR_SET_NAME, name, 0, 0, 0)) as pid:
        assert proc.parent(pid) == os.getpid()
        assert proc.state(pid) in ("S", "R")
        who = proc.identity(pid)
        assert who is not None
        assert proc.is_alive(who)


def test_children_of_every_thread_are_found() -> None:
    script = (
        "import subprocess, sys, threading\n"
        "def start(): started.append(subprocess.Popen(['sleep', '600'])); done.set(); end.wait()\n"
        "started, done, end = [], threading.Event(), threading.Event()\n"
        "thread = threading.Thread(target=start); thread.start(); done.wait()\n"
        "print(started[0].pid, flush=True); sys.stdin.read(); started[0].kill(); started[0].wait(); end.set()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        pid = int(process.stdout.readline())
        assert proc.children(process.pid) == [pid]
        assert process.pid in proc.children(os.getpid())
        until(lambda: proc.command(pid) == "sleep 600", "its command line")
        process.stdin.close()
        assert process.wait(30) == 0


def chain(length: int) -> None:
    """Become a chain of processes, each the child of the one before and dying with it."""
    for _ in range(length):
        parent = os.getpid()
        if os.fork():
            return
        if not die_with_parent(parent):
            os._exit(1)


def test_a_chain_of_processes_longer_than_the_stack_is_deep_is_found_to_its_end() -> None:
    with child(lambda: chain(40)) as pid:
        until(lambda: len(list(proc.descendants(pid))) == 40, "the chain", 20.0)
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(len(inspect.stack(0)) + 20)
        try:
            found = list(proc.descendants(pid))
        finally:
            sys.setrecursionlimit(limit)
        assert [proc.parent(each) for each in found] == [pid, *found[:-1]], "parents before their children"
        assert proc.tree_resident_bytes(pid) > proc.resident_bytes(pid)
    until(lambda: all(proc.state(each) in (None, "Z") for each in found), "the end of the chain", 20.0)


def test_memory_is_counted_in_bytes_and_shared_pages_once() -> None:
    size = 64 << 20
    before = proc.resident_bytes(os.getpid())
    block = bytearray(os.urandom(1 << 20) * (size >> 20))
    grown = proc.resident_bytes(os.getpid()) - before
    assert size * 0.9 < grown < size * 2
    with child(nothing) as pid:
        assert proc.resident_bytes(pid) > size * 0.5
        assert proc.proportional_bytes(pid) < proc.resident_bytes(pid)
        assert proc.tree_proportional_bytes(pid) < proc.tree_resident_bytes(pid)
    assert len(block) == size


def test_kills_for_memory_are_a_count_that_only_grows() -> None:
    first = proc.oom_kills()
    assert first >= 0
    assert proc.oom_kills() >= first


_CLOSE = """
import os, socket, sys
from supervisor.system.descriptors import close_all_but, sockets
kept, lost = socket.socketpair()
high = os.dup2(kept.fileno(), 700)
found = sockets()
assert {kept.fileno(), lost.fileno(), 700} <= set(found), found
assert found[700] == found[kept.fileno()] != found[lost.fileno()]
assert all(name.startswith("socket:[") for name in found.values())
before = lost.fileno()
close_all_but([0, kept.fileno()])
left = [int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
assert sorted(left) == [0, 1, 2, kept.fileno()], left
os._exit(0)
"""


def test_all_that_was_inherited_is_closed_but_what_is_named() -> None:
    assert callable(close_all_but)
    assert callable(sockets)
    done = subprocess.run([sys.executable, "-c", _CLOSE], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
