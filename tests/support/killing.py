"""Killing a process of a tree, and seeing that it is dead before anything else happens."""

from __future__ import annotations

import os
import signal

from supervisor.system import proc
from tests.support.tree import RunningTree
from tests.support.waiting import until


def kill(tree: RunningTree, victim: str) -> None:
    """SIGKILL to ``master``, ``broker``, ``template``, ``guardian``, or the first ``worker``.

    With the master its workers die; so it is waited for theirs.
    """
    worker = proc.identity(tree.worker_pids()[0])
    pid = worker.pid if worker and victim == "worker" else until(lambda: tree.pid_of(victim), f"a {victim}")
    doomed = [worker, proc.identity(pid)] if victim == "master" else [proc.identity(pid)]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not any(who and proc.is_alive(who) for who in doomed), f"the death of the {victim}", 30.0)
