"""Owning a tree of processes: starting it, joining one that runs, reloading it, ending it.

For the owner's process: Gunicorn's arbiter, or ``supervisor run``. No thread is started here, and nobody waits for a
child: the arbiter's ``waitpid(-1)`` takes every exit status before we could.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from supervisor import generation, owners
from supervisor.directory import Directory
from supervisor.errors import AlreadyRunningError, QueueUnavailableError, SupervisorError
from supervisor.guardian.again import start_again
from supervisor.guardian.stopped import put_away
from supervisor.launch import Spec, Started, start
from supervisor.log import log as own_log
from supervisor.master.control import ask
from supervisor.system import lock, proc

_JOIN_SECONDS = 15.0
_ANSWER_SECONDS = 2.0
_LOOK_SECONDS = 0.02
MARGIN_SECONDS = 10.0
"""After its grace, a tree that does not end is killed by its owner."""
_LOOK_AGAIN_SECONDS = 0.5
_LONGEST_PAUSE = 30.0
_REEXEC_VARIABLE = "GUNICORN_PID"


class Tree:
    """The tree that this process owns, if it owns one."""

    def __init__(self) -> None:
        self._spec: Spec | None = None
        self._guardian: Started | None = None
        self._pid = 0
        self._signals = 0
        self._again_at = 0.0
        self._pause = _LOOK_AGAIN_SECONDS
        """Until the next try to start it again; it doubles with each that failed."""

    @property
    def owned(self) -> bool:
        """Whether this process has begun to own one."""
        return self._spec is not None and self._pid == os.getpid()

    def heir(self) -> int:
        """The pid of another process that owns our tree and will go on with it; 0 where there is none."""
        if self._spec is None or not self.owned:
            return 0
        others = owners.living(Directory(self._spec.settings.dir).owners)
        return next((owner.who.pid for owner in reversed(others) if owner.who.pid != os.getpid()), 0)

    @staticmethod
    def check(spec: Spec) -> None:
        """AlreadyRunningError when the directory belongs to somebody who lives, and who did not start us (USR2)."""
        directory = Directory(spec.settings.dir)
        if not directory.owners.is_dir():
            return
        ours = {os.getpid(), int(os.environ.get(_REEXEC_VARIABLE) or 0)}
        others = [owner.who.pid for owner in owners.living(directory.owners) if owner.who.pid not in ours]
        if others:
            raise AlreadyRunningError(str(directory), others[-1])

    def begin(self, spec: Spec) -> None:
        """Become an owner, and start the tree where none runs."""
        directory = Directory(spec.settings.dir)
        uid = os.geteuid() if spec.uid is None else spec.uid
        gid = os.getegid() if spec.gid is None else spec.gid
        directory.prepare((uid, gid) if spec.uid is not None or spec.gid is not None else None)
        with lock.held(directory.start_lock, _JOIN_SECONDS):
            self.check(spec)  # again: of two that start at the same moment, both have found nobody
            owners.join(directory.owners, spec)
            try:
                generation.put(self._join_or_start(directory))
            except BaseException:
                owners.leave(directory.owners)
                raise
        self._spec, self._pid = spec, os.getpid()

    def _join_or_start(self, directory: Directory) -> int:
        """The generation of a master that took us in, or 1 of one that has yet to start.

        A master that drains has lost its last owner. It is not waited for: its broker goes on to take tasks in, and
        its guardian, which sees that we have come, lets another master follow it.
        """
        until = time.monotonic() + _JOIN_SECONDS
        while True:
            try:
                answer = ask(directory, "owners", timeout=_ANSWER_SECONDS)
                return 1 if answer.get("draining") else int(str(answer.get("generation", 1)))
            except QueueUnavailableError:
                if lock.holder(directory.lock) is None:
                    break
                if time.monotonic() > until:
                    raise
            select.select([], [], [], _LOOK_SECONDS)
        put_away(directory)
        if lock.holder(directory.guardian_lock) is None:
            self._guardian = start("supervisor.guardian", [f"--dir={directory}"], [])
        return 1

    def reload(self, spec: Spec, log: Any) -> None:
        """Have the new code imported. What is forked by this process from now on is stamped with its generation.

        Raises nothing: whatever goes wrong here, the web server goes on.
        """
        directory = Directory(spec.settings.dir)
        try:
            owners.join(directory.owners, spec)
            answer = ask(directory, "reload")
        except (SupervisorError, OSError) as error:
            log.error("supervisor: the tasks' code is not reloaded: %s", error)
            return
        self._spec = spec
        if "error" in answer:
            log.warning("supervisor: the tasks' code is not reloaded now, but with the next start: %s", answer["error"])
        else:
            generation.put(int(str(answer["generation"])))

    def keep(self) -> None:
        """Start the tree again where guardian and master are gone at once: each would have replaced the other.

        For an owner that has a loop. Under Gunicorn, web workers notice (see ``supervisor.client.revive``).
        """
        before, now = self._guardian, time.monotonic()
        if before is not None and not before.ended() and not proc.is_stopped(before.pid):
            self._pause = _LOOK_AGAIN_SECONDS
            return
        if self._spec is None or now < self._again_at:
            return
        self._again_at, self._pause = now + self._pause, min(_LONGEST_PAUSE, 2 * self._pause)
        self._guardian = _find_or_start(Directory(self._spec.settings.dir))
        if before is not None:
            _let_go(before)

    @property
    def guardian(self) -> int | None:
        """The pidfd of the guardian, which tells of its end; None while none is known."""
        return self._guardian.pidfd if self._guardian is not None else None

    def forget(self) -> None:
        """This process is a fork of the owner, and owns nothing."""
        if self._guardian is not None:
            os.close(self._guardian.pidfd)
        self._spec = self._guardian = None

    def end(self, log: Any, grace: float | None = None, waiting: Callable[[], None] | None = None) -> None:
        """Leave. When we were the last owner, block until the tree has drained and is gone; ``grace`` where it is to
        have less than the setting. ``waiting`` is called meanwhile, often.

        It must block: with KillMode=mixed, and where we are PID 1, everything else is SIGKILLed the moment this
        process exits. A signal meanwhile ends the waiting for tasks.
        """
        if self._spec is None or not self.owned:
            return
        spec, guardian = self._spec, self._guardian
        directory = Directory(spec.settings.dir)
        self._spec = self._guardian = None
        with self._count_signals():
            owners.leave(directory.owners)
            ending = _Ending(directory, guardian)
            if grace is not None:
                self._poke(directory, "stop", grace=grace)
            self._poke(directory, "owners")
            if ending.taken_over:
                log.info("supervisor: another owner lives; the tree goes on for it")
            else:
                self._wait(ending, time.monotonic() + spec.settings.grace + MARGIN_SECONDS, log, waiting or _nothing)

    def _wait(self, ending: _Ending, until: float, log: Any, waiting: Callable[[], None]) -> None:
        hurried = False
        while not ending.over():
            waiting()
            if self._signals and not hurried:
                hurried = True
                log.info("supervisor: asked again: running tasks are stopped and put back now")
                self._poke(ending.directory, "stop", grace=0.0)
            if time.monotonic() > until:
                log.error("supervisor: the tree did not end in time and is killed")
                ending.kill()
                return
            select.select([], [], [], _LOOK_SECONDS)

    def _poke(self, directory: Directory, what: str, **arguments: object) -> None:
        try:
            ask(directory, what, arguments, timeout=_ANSWER_SECONDS)
        except SupervisorError as error:
            own_log.debug("%s", error)

    @contextmanager
    def _count_signals(self) -> Generator[None]:
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


def _find_or_start(directory: Directory) -> Started | None:
    """The guardian that runs, or that had to be started; None where it ended at once, or could not be started."""
    try:
        found = start_again(directory) or _guardian_of(directory)
    except (OSError, SupervisorError) as error:
        own_log.error("the supervisor cannot be started again: %s", error)
        return None
    if found is None or not found.ended():
        return found
    _let_go(found)
    return None


def _let_go(process: Started) -> None:
    """Of one that has ended, or is another's by now: bury it where it was our child."""
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    os.close(process.pidfd)


def _guardian_of(directory: Directory) -> Started | None:
    """The one that guards it now."""
    pid = lock.holder(directory.guardian_lock)
    with suppress(ProcessLookupError):
        return Started(pid, os.pidfd_open(pid)) if pid is not None else None
    return None


def _nothing() -> None:
    """Nobody wants to be called."""


class _Ending:
    """The end of a tree that we have left: of this master and its guardian, not of those that may follow for others."""

    def __init__(self, directory: Directory, guardian: Started | None) -> None:
        self.directory = directory
        self._guardian = guardian
        self._master = lock.holder(directory.lock)

    @property
    def taken_over(self) -> bool:
        """Whether somebody else owns the directory by now."""
        return bool(owners.living(self.directory.owners))

    def over(self) -> bool:
        """Whether nothing of it is left that we would have to stay for."""
        holder = lock.holder(self.directory.lock)
        if holder is not None and holder == self._master:
            return False
        if self.taken_over:
            return True
        self._master = holder or self._master  # one that was started in the very moment in which we left
        if holder is not None:
            return False
        put_away(self.directory)
        return lock.holder(self.directory.guardian_lock) is None and (self._guardian is None or self._guardian.ended())

    def kill(self) -> None:
        """SIGKILL what is left."""
        holder = lock.holder(self.directory.lock)
        if self.taken_over or holder != self._master:
            return
        for pid in (self._guardian.pid if self._guardian and not self._guardian.ended() else None, holder):
            for each in [pid, *proc.descendants(pid)] if pid else []:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
