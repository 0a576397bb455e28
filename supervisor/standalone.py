"""The supervisor on its own: ``supervisor run`` owns a tree as Gunicorn's arbiter otherwise does."""

from __future__ import annotations

import os
import select
import signal
import socket
from types import FrameType

from supervisor.launch import Spec
from supervisor.log import configure, log
from supervisor.settings import Settings
from supervisor.tree import Tree


def _nothing(signum: int, frame: FrameType | None) -> None:
    """Arrives through the wake-up descriptor."""


def run(settings: Settings, title: str = "supervisor", chdir: str | None = None) -> None:
    """Run a tree until TERM or INT; HUP imports the tasks' code anew. A second TERM or INT ends at once.

    Raises AlreadyRunningError when another supervisor runs on the directory, SettingsError when it cannot be used.
    """
    umask = os.umask(0)
    os.umask(umask)
    serve(Spec(settings, title, chdir or os.getcwd(), umask=umask, reload=settings.reload))


def serve(spec: Spec, owner: int | None = None) -> None:
    """:func:`run` as ``spec`` says; ``owner`` is the pidfd of a process with which it ends as well."""
    configure("run", spec.settings.log_level)
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, _nothing)
    tree = Tree()
    Tree.check(spec)
    tree.begin(spec)
    grace = None
    try:
        grace = _serve(tree, spec, ours, owner)
    finally:
        signal.set_wakeup_fd(-1)
        tree.end(log, grace)


def _serve(tree: Tree, spec: Spec, signals: socket.socket, owner: int | None) -> float | None:
    """Until it is to end; the grace time, where it is not the usual one."""
    sources: list[socket.socket | int] = [signals, *([] if owner is None else [owner])]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if owner in ready:
            log.info("the process for which this runs has ended: stopping")
            return min(spec.settings.grace, spec.settings.orphan_grace)
        for signum in signals.recv(4096):
            if signum in (signal.SIGTERM, signal.SIGINT):
                log.info("%s: stopping", signal.Signals(signum).name)
                return None
            if signum == signal.SIGHUP:
                tree.reload(spec, log)
