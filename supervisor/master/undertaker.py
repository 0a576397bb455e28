"""Reaping children, telling what each death means, and clearing away what the dead have left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from supervisor.core.entry import Death
from supervisor.core.histogram import Histogram
from supervisor.log import log
from supervisor.master import reaper
from supervisor.master.broker import BrokerHandle
from supervisor.master.deaths import DeathReader
from supervisor.master.executioner import Executioner
from supervisor.master.generations import Generations
from supervisor.master.guardian import GuardianHandle
from supervisor.master.pool import Pool
from supervisor.master.worker import KillStage, Stage, WorkerHandle
from supervisor.states import Cause
from supervisor.wire.channel import Gone

_SWEEP_NS = 5_000_000
_LONGEST_SWEEP_NS = 500_000_000
_MOST_STATUSES = 100


class Undertaker:
    """``hear`` reads what the children have said, which is always done before their ends are looked at: a worker's
    pid is told before it lands here.
    """

    def __init__(
        self,
        pool: Pool,
        broker: BrokerHandle,
        generations: Generations,
        executioner: Executioner,
        guardian: GuardianHandle,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._generations = generations
        self._executioner = executioner
        self._guardian = guardian
        self._deaths = DeathReader()
        self.kills: dict[str, int] = {}
        """Deaths of workers by cause, but for those that were asked to leave."""
        self.lateness: dict[str, Histogram] = {}
        """How long after they were due kills had done their work, in seconds, by cause."""
        self._statuses: dict[int, int] = {}
        """Ends of children whose pid the template has not told yet."""
        self._sweep_ns = self._pause_ns = 0

    @property
    def sweep_ns(self) -> int | None:
        """When to look again for what dead workers left; None when nothing is left."""
        return self._sweep_ns or None

    def reap(self, hear: Callable[[], None], now: int) -> None:
        """Bury who has died, and kill and bury whom they left, until none is left (or, for now, time is up)."""

        def known() -> list[int]:
            hear()
            return self._known()

        hear()
        left_over = self._bury(reaper.reap(), hear, now) or 0 < self._sweep_ns <= now
        while left_over:
            swept = reaper.sweep(known)
            # What cannot be got rid of at once must not keep us from our other duties.
            self._pause_ns = 0 if swept.clean else min(2 * self._pause_ns + _SWEEP_NS, _LONGEST_SWEEP_NS)
            self._sweep_ns = 0 if swept.clean else now + self._pause_ns
            left_over = self._bury(swept.changes, hear, now)

    def _known(self) -> list[int]:
        known = [handle.pid for handle in self._pool if handle.who is not None]
        known += [template.process.pid for template in self._generations.templates()]
        return [*known, self._broker.pid, self._guardian.pid]

    def _bury(self, changes: list[reaper.Change], hear: Callable[[], None], now: int) -> bool:
        """Handle changes of children; whether a worker died, who may have left others."""
        died = False
        for change in changes:
            hear()
            handle = self._pool.by_pid(change.pid)
            if change.stopped:
                self._stopped(change.pid, handle, now)
            elif handle is not None:
                self.dead(handle, change.status, now)
                died = True
            else:
                died |= self._other(change, now)
        return died

    def _other(self, change: reaper.Change, now: int) -> bool:
        if change.pid == self._broker.pid:
            self._broker.ended(change.status, now)
        elif self._generations.ended(change.pid, now):
            self._orders_lost(change.pid, now)
            return True  # it may have been in the middle of forking
        elif change.pid != self._guardian.pid:
            self._statuses[change.pid] = change.status
            while len(self._statuses) > _MOST_STATUSES:
                self._statuses.pop(next(iter(self._statuses)))
        return False

    def _orders_lost(self, template: int, now: int) -> None:
        """A template has ended: whom it was to fork, and of whom it told nothing, does not come any more."""
        for handle in self._pool.unforked(template):
            handle.stage = Stage.RETIRING
            self.finalise(handle, Death(Cause.SHUTDOWN, "its template died"), now)

    def _stopped(self, pid: int, handle: WorkerHandle | None, now: int) -> None:
        if handle is not None:
            self._executioner.stopped(handle, now)
            handle.stopped_ns = now
        elif pid == self._broker.pid:
            self._broker.kill("was stopped")
        else:
            for template in self._generations.templates():
                if template.process.pid == pid:
                    log.error("the template (pid %d) was stopped: killed", pid)
                    signal.pidfd_send_signal(template.process.pidfd, signal.SIGKILL)

    def forked(self, number: int, pid: int, now: int) -> None:
        """The template told a worker's pid; its end may have been seen before."""
        handle = self._pool.forked(number, pid)
        status = self._statuses.pop(pid, None)
        if handle is not None and status is not None:
            self.dead(handle, status, now)

    def unforked(self, number: int, now: int) -> None:
        """What was to fork a worker died. If the worker came into being, nobody knows it: it is swept up."""
        handle = self._pool.workers.get(number)
        if handle is not None and handle.who is None:
            handle.stage = Stage.RETIRING
            self.finalise(handle, Death(Cause.SHUTDOWN, "it was not forked"), now)
            self._sweep_ns = now

    def dead(self, handle: WorkerHandle, status: int, now: int) -> None:
        """A worker has been reaped."""
        self.finalise(handle, self._deaths.read(handle, status), now)

    def finalise(self, handle: WorkerHandle, death: Death, now: int) -> None:
        """A worker is no more: have the end of what it ran written down, and free its place."""
        if handle.kill is not None and handle.kill.due_ns and handle.kill.stage is KillStage.KILLED:
            late = (time.monotonic_ns() - handle.kill.due_ns) / 1e9  # ``now`` is that of the loop's last waking
            self.lateness.setdefault(handle.kill.cause.value, Histogram()).add([max(0.0, late)])
        running, claim = handle.slot.running(), handle.slot.claimed()
        started = running.lease if running is not None else (claim.lease if claim else 0)
        if death.cause is not Cause.SHUTDOWN:
            self.kills[death.cause.value] = self.kills.get(death.cause.value, 0) + 1
            self._pool.mourn(handle, death.cause, time.time_ns())
            log.warning("worker %d is gone: %s", handle.pid, death.message)
        self._broker.gone(Gone(handle.number, started, death.cause.value, death.message, death.stack))
        self._pool.remove(handle, now)
        if handle.replaces is not None:
            handle.replaces.leave = None
