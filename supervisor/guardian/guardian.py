"""Watching one master: starting it, restarting it with back-off, and clearing away what it leaves when it dies.

The guardian is the owner's only child, and child subreaper, so everything that a dead master leaves behind lands on
it. One started by the master itself (when the first was killed) cannot be the master's ancestor: it *adopts* the
running master, follows it by pidfd, and becomes a full guardian with the next one.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from supervisor import owners
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.guardian.exporting import ExporterHandle
from supervisor.guardian.watchdog import WatchdogFeeder
from supervisor.launch import Spec, Started, start
from supervisor.log import log
from supervisor.master.reaper import kill, sweep
from supervisor.scoreboard import Header, Scoreboard, Word
from supervisor.system import proc
from supervisor.system.lock import DirectoryLock, held
from supervisor.system.pulse import Pulse

_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 30.0
_LONGEST_AFTER_KILL = 0.4
"""A master that was killed may be well."""
_STEADY_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_STOPPED_SECONDS = 0.5
_CLEAR_SECONDS = 5.0
_PAUSE_SECONDS = 0.001
_JOIN_SECONDS = 10.0


@dataclass(slots=True)
class Watched:
    """The master that is watched."""

    process: Started
    ours: bool
    """Whether it is our child, to be reaped."""
    since: float


class Guardian:
    """Keeps a master running on ``directory`` as long as anybody owns the tree.

    A master that ended of its own will has drained, since its last owner left; when somebody has joined meanwhile (a
    restart that did not wait for the drain), another master follows at once.
    """

    def __init__(self, directory: Directory, guard: DirectoryLock, board: Scoreboard, wake: int, spec: Spec) -> None:
        self._directory = directory
        self._guard = guard
        self._board = board
        self._wake = wake
        self._heartbeat_timeout = spec.settings.heartbeat_timeout
        self._exporter = ExporterHandle(directory, spec.settings)
        self._watchdog = WatchdogFeeder(spec.watchdog, directory, board, self._heartbeat_timeout)
        self._backoff = 0.0
        self._killed = False
        self._family: set[proc.Identity] = set()
        """What an adopted master runs, as it was at the last look."""

    def run(self, adopted: Started | None) -> None:
        """Until there is nobody left to run a master for."""
        watched = Watched(adopted, False, time.monotonic()) if adopted else self._start()
        while True:
            ended_well = self._watch(watched)
            os.close(watched.process.pidfd)
            if not ended_well:
                log.error("the master (pid %d) died; everything it ran is cleared away", watched.process.pid)
                self._clear(watched)
            if self._may_leave():
                self._exporter.end()
                return
            if not ended_well:
                self._rest(watched)
            watched = self._start()

    def _may_leave(self) -> bool:
        """Whether nobody is left to guard for; then our lock is given up.

        Under the lock under which owners join: one who joins now is either seen here, or sees that we are gone.
        """
        try:
            with held(self._directory.start_lock, _JOIN_SECONDS):
                if owners.living(self._directory.owners):
                    return False
                self._guard.close()
                return True
        except SupervisorError as error:
            log.error("somebody keeps the lock for joining: %s", error)
            return not owners.living(self._directory.owners)

    def _start(self) -> Watched:
        masters = self._board.get(Header.MASTERS)
        self._board.clear()
        self._board.put(Header.GUARDIAN_PID, os.getpid())
        self._board.put(Header.MASTERS, masters + 1)
        arguments = [f"--dir={self._directory}", f"--board={self._board.descriptor}", f"--wake={self._wake}"]
        process = start(
            "supervisor.master", [*arguments, f"--guardian={os.getpid()}"], [self._board.descriptor, self._wake]
        )
        return Watched(process, True, time.monotonic())

    def _watch(self, watched: Watched) -> bool:
        """Until this master is gone; whether it ended of its own will."""
        poller = select.poll()
        poller.register(watched.process.pidfd, select.POLLIN)
        stopped_since: float | None = None
        pulse = Pulse()
        while not poller.poll(_LOOK_SECONDS * 1000):
            self._reap(watched)
            self._remember(watched)
            self._exporter.keep()
            self._watchdog.look()
            now = time.monotonic()
            if not proc.is_stopped(watched.process.pid):
                stopped_since = None
            elif stopped_since is None:
                stopped_since = now
            silent = pulse.silent_ns(self._board.get(Header.MASTER_BEAT_NS), time.monotonic_ns()) / 1e9
            if silent > self._heartbeat_timeout or (stopped_since and now - stopped_since >= _STOPPED_SECONDS):
                log.error(
                    "the master (pid %d) is stopped or hung (silent for %.1f s): killed", watched.process.pid, silent
                )
                signal.pidfd_send_signal(watched.process.pidfd, signal.SIGKILL)
        return self._ended_well(watched)

    def _ended_well(self, watched: Watched) -> bool:
        if not watched.ours:
            return not self._directory.control.exists()  # it removes its socket when it ends well
        _, status = os.waitpid(watched.process.pid, 0)
        self._killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0

    def _reap(self, watched: Watched) -> None:
        """Bury what has landed on us, but leave the master's status for :meth:`_ended_well`."""
        with suppress(ChildProcessError):
            while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if dead.si_pid == watched.process.pid:
                    return  # it is looked at next
                os.waitpid(dead.si_pid, os.WNOHANG)

    def _remember(self, watched: Watched) -> None:
        """Adopted, it is no descendant of ours, so nothing that it leaves lands on us: we have to know it before."""
        if not watched.ours:
            self._family = self._identities(proc.descendants(watched.process.pid))

    def _newcomers(self, watched: Watched) -> set[proc.Identity]:
        """Adopted, what tasks may have started since we last looked: it is in the sessions of their workers."""
        if watched.ours:
            return set()
        leaders = {who.pid for who in self._family} | {slot.get(Word.PID) for slot in self._board.slots} - {0}
        return self._identities(proc.in_sessions(leaders))

    def _identities(self, pids: Iterable[int]) -> set[proc.Identity]:
        """Who these are, but for ourselves and what is ours."""
        ours = (os.getpid(), *self._exporter.pids())
        return {who for pid in pids if pid not in ours and (who := proc.identity(pid)) is not None}

    def _clear(self, watched: Watched) -> None:
        """Kill what the master left, until nothing is left: what lands on us, or, adopted, what we remember."""
        until = time.monotonic() + _CLEAR_SECONDS
        family, self._family = self._family | self._newcomers(watched), set()
        while time.monotonic() < until and (family := {who for who in family if proc.is_alive(who)}):
            for who in family:
                for each in [who.pid, *proc.descendants(who.pid)]:
                    kill(each)
            select.select([], [], [], _PAUSE_SECONDS)
        while time.monotonic() < until and not sweep(self._exporter.pids).clean:
            continue

    def _rest(self, watched: Watched) -> None:
        if time.monotonic() - watched.since > _STEADY_SECONDS:
            self._backoff = 0.0
        if self._backoff:
            log.info("the next master starts in %.1f s", self._backoff)
            time.sleep(self._backoff)
        longest = _LONGEST_AFTER_KILL if self._killed else _LONGEST_BACKOFF
        self._backoff = min(longest, max(_FIRST_BACKOFF, self._backoff * 2))
