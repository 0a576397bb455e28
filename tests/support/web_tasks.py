"""More tasks, for the tests with Gunicorn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from supervisor import task


@task
def cpus() -> list[int]:
    """The CPUs that this task may use."""
    return sorted(os.sched_getaffinity(0))


@task
def user() -> list[int]:
    """Whom this task runs as: uid, gid, and all groups."""
    return [os.getuid(), os.getgid(), *os.getgroups()]


@task
def kill(pid: int) -> None:
    """SIGKILL a process, as this task sees it."""
    os.kill(pid, signal.SIGKILL)


@task
def leave_daemon_that_exits(code: int) -> None:
    """Leave a double-forked daemon behind, which exits with this code; then leave with it too."""
    program = f"import os, sys, time\nif os.fork(): os._exit(0)\nos.setsid(); time.sleep(0.2); os._exit({code})"
    subprocess.run([sys.executable, "-c", program], check=False)
    os._exit(code)


@task
def environment() -> list[str]:
    """The names of the environment's variables."""
    return sorted(os.environ)
