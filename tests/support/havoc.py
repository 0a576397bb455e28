"""Killing processes of a tree, one or all of them."""

from __future__ import annotations

import contextlib
import os
import signal

from tests.support.tree import RunningTree
from tests.support.waiting import until


def kill_everything(tree: RunningTree) -> None:
    """SIGKILL to every process of the tree, the guardian first, so that nobody sees another die."""
    assert tree.process is not None
    tree.remember()
    pids = [tree.pid_of(role) for role in ("guardian", "master", "broker", "template")]
    for pid in [*pids, *tree.worker_pids(), tree.process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    tree.process.wait(10.0)
    until(lambda: not tree.left_over(), "the end of everybody", 30.0)
    tree.queue.close()


def kill_broker(tree: RunningTree) -> None:
    """SIGKILL to the broker."""
    tree.remember()
    os.kill(tree.pid_of("broker"), signal.SIGKILL)


def kill_master(tree: RunningTree) -> None:
    """SIGKILL to the master, and so to all workers, the broker and the template."""
    tree.remember()
    os.kill(tree.pid_of("master"), signal.SIGKILL)
