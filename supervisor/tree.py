"""Owning a tree of processes: starting it, joining one that runs, reloading it, ending it.

For the owner's process: Gunicorn's arbiter, or ``supervisor run``. No thread is started here, and nobody waits for a
child: the arbiter's ``waitpid(-1)`` takes every exit status before we could.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from supervisor import generation, owners
from supervisor.directory import Directory
from supervisor.errors import AlreadyRunningError, QueueUnavailableError, SupervisorError
from supervisor.launch import Spec, Started, start
from supervisor.log import log as own_log
from supervisor.master.control import ask
from supervisor.system import lock, proc

_JOIN_SECONDS = 15.0
_LOOK_SECONDS = 0.02
_MARGIN_SECONDS = 10.0
_REEXEC_VARIABLE = "GUNICORN_PID"


class Tree:
    """The tree that this process owns, if it owns one."""

    def __init__(self) -> None:
        self._spec: Spec | None = None
        self._guardian: Started | None = None
        self._pid = 0
        self._signals = 0

    @staticmethod
    def check(spec: Spec) -> None:
        """AlreadyRunningError when the directory belongs to somebody who lives, and who did not start us (USR2)."""
        directory = Directory(spec.settings.dir)
        if not directory.owners.is_dir():
            return
        related = {os.getpid(), os.getppid(), int(os.environ.get(_REEXEC_VARIABLE) or 0)}
        others = [owner for owner in owners.living(directory.owners) if owner.who.pid not in related]
        if others and lock.holder(directory.lock) is not None:
            raise AlreadyRunningError(str(directory), others[-1].who.pid)

    def begin(self, spec: Spec) -> None:
        """Become an owner, and start the tree where none runs."""
        directory = Directory(spec.settings.dir)
        uid = os.geteuid() if spec.uid is None else spec.uid
        gid = os.getegid() if spec.gid is None else spec.gid
        directory.prepare((uid, gid) if spec.uid is not None or spec.gid is not None else None)
        self._spec, self._pid = spec, os.getpid()
        owners.join(directory.owners, spec)
        generation.put(self._join_or_start(directory))

    def _join_or_start(self, directory: Directory) -> int:
        """The generation of a master that took us in, or 1 of one that we start.

        A master may be about to end, since its last owner died: then the lock is waited for.
        """
        until = time.monotonic() + _JOIN_SECONDS
        while lock.holder(directory.lock) is not None:
            try:
                answer = ask(directory, "owners")
            except QueueUnavailableError:
                answer = {"draining": True}
            if not answer.get("draining"):
                return int(str(answer.get("generation", 1)))
            if time.monotonic() > until:
                raise AlreadyRunningError(str(directory), lock.holder(directory.lock))
            select.select([], [], [], _LOOK_SECONDS)
        self._guardian = start("supervisor.guardian", [f"--dir={directory}"], [])
        return 1

    def reload(self, spec: Spec, log: Any) -> None:
        """Have the new code imported. What is forked by this process from now on is stamped with its generation."""
        self._spec = spec
        directory = Directory(spec.settings.dir)
        owners.join(directory.owners, spec)
        try:
            answer = ask(directory, "reload")
            generation.put(int(str(answer.get("generation", generation.get()))))
        except QueueUnavailableError as error:
            log.error("supervisor: the tasks' code is not reloaded: %s", error)

    def forget(self) -> None:
        """This process is a fork of the owner, and owns nothing."""
        self._spec = self._guardian = None

    def end(self, log: Any, grace: float | None = None) -> None:
        """Leave. When we were the last owner, block until the tree has drained and is gone; ``grace`` where it is to
        have less than the setting.

        It must block: with KillMode=mixed, and where we are PID 1, everything else is SIGKILLed the moment this
        process exits. A signal meanwhile ends the waiting for tasks.
        """
        spec, guardian = self._spec, self._guardian
        if spec is None or self._pid != os.getpid():
            return
        directory = Directory(spec.settings.dir)
        owners.leave(directory.owners)
        self._spec = self._guardian = None
        if owners.living(directory.owners):
            self._poke(directory, "owners")
            log.info("supervisor: another owner lives; the tree goes on for it")
            return
        with self._count_signals():
            if grace is not None:
                self._poke(directory, "stop", grace=grace)
            self._poke(directory, "owners")
            self._wait_for_end(directory, guardian, spec.settings.grace, log)

    def _wait_for_end(self, directory: Directory, guardian: Started | None, grace: float, log: Any) -> None:
        until = time.monotonic() + grace + _MARGIN_SECONDS
        hurried = False
        while lock.holder(directory.lock) is not None or (guardian is not None and _lives(guardian)):
            if self._signals and not hurried:
                hurried = True
                log.info("supervisor: asked again: running tasks are stopped and put back now")
                self._poke(directory, "stop", grace=0.0)
            if time.monotonic() > until:
                log.error("supervisor: the tree did not end in time and is killed")
                self._kill(directory, guardian)
                return
            select.select([], [], [], _LOOK_SECONDS)

    def _kill(self, directory: Directory, guardian: Started | None) -> None:
        master = lock.holder(directory.lock)
        for pid in (guardian.pid if guardian else None, master):
            if pid:
                for each in [pid, *proc.descendants(pid)]:
                    try:
                        os.kill(each, signal.SIGKILL)
                    except ProcessLookupError:
                        continue

    def _poke(self, directory: Directory, what: str, **arguments: object) -> None:
        try:
            ask(directory, what, arguments, timeout=2.0)
        except SupervisorError as error:
            own_log.debug("%s", error)

    @contextmanager
    def _count_signals(self) -> Iterator[None]:
        def count(signum: int, frame: FrameType | None) -> None:
            self._signals += 1

        self._signals = 0
        caught = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
        before = {signum: signal.signal(signum, count) for signum in caught}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)


def _lives(started: Started) -> bool:
    """By pidfd: readable once the process has ended, whoever reaps it."""
    return not select.select([started.pidfd], [], [], 0)[0]
