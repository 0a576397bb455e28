"""The supervisor on its own: ``supervisor run`` owns a tree as Gunicorn's arbiter otherwise does."""

from __future__ import annotations

import os
import select
import signal
import socket
from types import FrameType

from supervisor.announcer import Announcer
from supervisor.directory import Directory
from supervisor.launch import Spec
from supervisor.log import configure, log
from supervisor.settings import Settings
from supervisor.system.notify import NOBODY, Notifier
from supervisor.tree import Tree

_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
"""Between two looks whether the tree is there; its guardian's end is heard of at once, but not that it is stopped."""


def _nothing(signum: int, frame: FrameType | None) -> None:
    """Arrives through the wake-up descriptor."""


def run(settings: Settings, title: str = "supervisor", chdir: str | None = None) -> None:
    """Run a tree until TERM or INT; HUP imports the tasks' code anew. A second TERM or INT ends at once.

    Where systemd started this process as a service, it is told how the tree fares.

    Raises AlreadyRunningError when another supervisor runs on the directory, SettingsError when it cannot be used.
    """
    umask = os.umask(0)
    os.umask(umask)
    spec = Spec(settings, title, chdir or os.getcwd(), umask=umask, reload=settings.reload)
    serve(spec, notifier=Notifier.from_environment())


def serve(spec: Spec, owner: int | None = None, notifier: Notifier = NOBODY) -> None:
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
    announcer = Announcer(notifier, Directory(spec.settings.dir), spec.settings.heartbeat_timeout)
    grace = None
    try:
        grace = _serve(tree, spec, announcer, [ours] if owner is None else [ours, owner])
    finally:
        signal.set_wakeup_fd(-1)
        announcer.stopping()
        tree.end(log, grace, announcer.draining)


def _patience(tree: Tree, announcer: Announcer) -> tuple[list[int], float]:
    """What else to listen to, and for how many seconds."""
    guardian, next_word = tree.guardian, announcer.patience()
    longest = _LOOK_SECONDS if guardian is None else _PATIENCE_SECONDS
    return [] if guardian is None else [guardian], longest if next_word is None else min(longest, next_word)


def _serve(tree: Tree, spec: Spec, announcer: Announcer, sources: list[socket.socket | int]) -> float | None:
    """Until it is to end; the grace time, where it is not the usual one. The first source tells of signals, the second
    of the end of the process for which this runs.
    """
    signals, *owner = sources
    assert isinstance(signals, socket.socket)
    while True:
        tree.keep()
        announcer.look()
        heard, patience = _patience(tree, announcer)
        ready, _, _ = select.select([*sources, *heard], [], [], patience)
        if owner and owner[0] in ready:
            log.info("the process for which this runs has ended: stopping")
            return min(spec.settings.grace, spec.settings.orphan_grace)
        for signum in signals.recv(4096) if signals in ready else b"":
            if signum in (signal.SIGTERM, signal.SIGINT):
                log.info("%s: stopping", signal.Signals(signum).name)
                return None
            if signum == signal.SIGHUP:
                announcer.reloading()
                tree.reload(spec, log)
