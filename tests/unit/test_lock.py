"""The lock on a directory: one holder, known by its pid, and nobody inherits it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.errors import AlreadyRunningError
from supervisor.system.lock import DirectoryLock, held, holder
from tests.support.waiting import until

# Only a thread of the test runner's own is alive beside us, and it takes no lock that a child would want.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

ROOT = Path(__file__).parents[2]
_HOLD = """
import os, sys
from pathlib import Path
from supervisor.system.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
if "fork" in sys.argv:
    child = os.fork()
    if child:
        print(child, flush=True)
        os._exit(0)  # the holder is gone; its child goes on with all that it has inherited
else:
    print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def other_process(path: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that takes the lock, says so, and ends when nobody listens any more."""
    command = [sys.executable, "-c", _HOLD, str(path), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_second_process_is_refused_with_the_pid_of_the_first(path: Path) -> None:
    with other_process(path) as (first, _):
        assert holder(path) == first.pid
        with pytest.raises(AlreadyRunningError, match=rf"already runs on {path.parent} .*process {first.pid}\b"):
            DirectoryLock(path)
        assert holder(path) == first.pid, "a refused attempt takes nothing away"


def test_the_lock_is_free_when_its_holder_was_killed(path: Path) -> None:
    with other_process(path) as (first, _):
        first.send_signal(signal.SIGKILL)
        until(lambda: holder(path) is None, "the lock to be free", 20.0)
        with DirectoryLock(path):
            pass


def test_the_lock_is_not_inherited_by_a_forked_child_that_outlives_the_holder(path: Path) -> None:
    with other_process(path, "fork") as (first, child):
        first.wait(30)
        os.kill(int(child), 0)
        assert holder(path) is None
        with DirectoryLock(path):
            pass
        assert first.stdin
        first.stdin.close()
        until(lambda: not os.path.exists(f"/proc/{child}"), "the end of the child", 20.0)


def test_a_child_that_closes_all_it_inherited_takes_nothing_from_its_parent(path: Path) -> None:
    with DirectoryLock(path):
        child = os.fork()
        if child == 0:
            os.closerange(3, 1000)
            os._exit(0)
        os.waitpid(child, 0)
        code = (
            "import sys; from pathlib import Path; from supervisor.system.lock import holder;"
            "print(holder(Path(sys.argv[1])))"
        )
        seen = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True, cwd=ROOT)
        assert int(seen.stdout) == os.getpid()


def test_nobody_holds_what_was_never_locked_or_is_given_up(path: Path) -> None:
    assert holder(path) is None
    DirectoryLock(path).close()
    assert holder(path) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_lock_does_not_cross_an_exec(path: Path) -> None:
    with DirectoryLock(path) as lock:
        assert not os.get_inheritable(lock._descriptor)


def test_a_lock_that_is_kept_for_a_moment_is_waited_for_but_not_for_ever(path: Path) -> None:
    with other_process(path) as (first, _):
        with pytest.raises(AlreadyRunningError), held(path, 0.05):
            pass
        threading.Timer(0.05, first.send_signal, [signal.SIGKILL]).start()
        with held(path, 20.0):
            assert first.wait(30) == -signal.SIGKILL
    assert holder(path) is None
