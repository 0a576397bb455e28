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
    doomed = until(lambda: _strike(tree, victim), f"a {victim}")
    until(lambda: not any(map(proc.is_alive, doomed)), f"the death of the {victim}", 30.0)


def _strike(tree: RunningTree, victim: str) -> list[proc.Identity]:
    """Kill it; who dies of that. Nobody where the status tells of one that is dead already."""
    workers = tree.worker_pids()
    pid = tree.pid_of(victim) if victim != "worker" else next(iter(workers), 0)
    doomed = [pid, *workers[:1]] if victim == "master" else [pid]
    found = [who for who in map(proc.identity, doomed) if who is not None]
    if not pid or not found or found[0].pid != pid:
        return []
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return []
    return found
