"""The master's loop: wait, handle what came, reap, enforce deadlines, fill the pool."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress

from supervisor import signals
from supervisor.core.entry import Death
from supervisor.directory import Directory
from supervisor.launch import start
from supervisor.log import log
from supervisor.master import reaper
from supervisor.master.broker import BrokerHandle
from supervisor.master.control import ControlServer
from supervisor.master.deaths import DeathReader
from supervisor.master.executioner import Executioner
from supervisor.master.generations import Generations
from supervisor.master.memory import MemoryWatch
from supervisor.master.ownership import Ownership
from supervisor.master.pool import Pool
from supervisor.master.status import describe
from supervisor.master.template import Shared, TemplateHandle
from supervisor.master.worker import Cancel, Kill, KillStage, Stage, WorkerHandle
from supervisor.scoreboard import Header, Held, Scoreboard
from supervisor.states import Cause
from supervisor.system import proc
from supervisor.wire.channel import (
    Buried,
    CancelRunning,
    Fence,
    Fenced,
    Forked,
    Gone,
    Imported,
    ImportFailed,
    Message,
    Opened,
    Spared,
    Stop,
)

_BEAT_NS = 500_000_000
_STOPPED_NS = 500_000_000
_AGAIN_NS = 50_000_000
_SWEEP_NS = 5_000_000
_END_NS = 5_000_000_000


class Master:
    """One tree of processes on one directory."""

    def __init__(
        self, directory: Directory, board: Scoreboard, wake: int, listener: socket.socket, guardian: int
    ) -> None:
        self.directory = directory
        self.board = board
        self.wake = wake
        self.started = time.time()
        self.ownership = Ownership(directory)
        spec = self.ownership.spec
        self.pool = Pool(board, spec.settings)
        self.broker = BrokerHandle(directory, listener, board, wake)
        self.generations = Generations(Shared(board, wake, self.broker.bell), self.pool, spec)
        self.memory = MemoryWatch(self.pool)
        self.executioner = Executioner(
            lambda lease, cause: self.broker.send(Fence(lease, cause.value)),
            lambda lease: self.broker.send(Spared(lease)),
        )
        self.deaths = DeathReader()
        self.control = ControlServer(directory, self._answer)
        self.guardian = guardian
        self.guardian_fd = os.pidfd_open(guardian)
        self.drain_until_ns: int | None = None
        """Draining, until then at the latest; None while work is handed out."""
        self.ending = False
        self.kills: dict[str, int] = {}
        self._statuses: dict[int, int] = {}
        """Ends of children whose pid the template has not told yet."""
        self._epoll = select.epoll()
        self._watched: set[int] = set()
        self._next_beat = 0
        self._sources: dict[str, float] = {}
        self._end_ns = 0
        self._sweep_ns = self._sweep_pause_ns = 0
        """When to look again for what dead workers left; 0 when nothing is left."""

    # -- the loop ----------------------------------------------------------------------------------------------

    def run(self, signal_end: socket.socket) -> None:
        """Until the last owner is gone and everything has ended."""
        for descriptor in (signal_end.fileno(), self.wake, self.control.fileno()):
            self._epoll.register(descriptor, select.EPOLLIN)
        while not self._finished():
            now = time.monotonic_ns()
            self._watch()
            timeout = self._patience(now)
            events = self._epoll.poll(timeout)
            self._empty(signal_end)
            now = time.monotonic_ns()
            self._hear({descriptor for descriptor, _ in events}, now)
            self._reap(now)
            self._enforce(now)
            self._fill(now)
            self._beat(now)
        self._say_goodbye()

    def _patience(self, now: int) -> float:
        """Seconds to sleep. What we will wake for is published first, and the deadlines are read after: a broker
        that claims in between either sees our word and wakes us, or its claim is seen by us.
        """
        until = self._wake_ns(now)
        self.board.put(Header.MASTER_WAKE_NS, until)
        deadlines = [due.deadline_ns for handle in self.pool if (due := self._due(handle)).deadline_ns]
        until = min([until, *deadlines])
        return max(0.0, (until - now) / 1e9)

    def _wake_ns(self, now: int) -> int:
        times: list[int | None] = [
            self._next_beat,
            self.memory.next_ns(),
            self.pool.next_fork_ns(now),
            self.drain_until_ns,
            self._sweep_ns or None,
        ]
        times += [self.generations.next_ns(), self.broker.start_ns if self.broker.process is None else None]
        times += [self.executioner.next_ns(handle, now) for handle in self.pool]
        times += [
            min(handle.cancel.again_ns, handle.cancel.kill_ns)
            for handle in self.pool
            if handle.cancel is not None and handle.kill is None
        ]
        times += [
            handle.spawned_ns + self.pool.boot_limit_ns()
            for handle in self.pool
            if handle.stage in (Stage.FORKING, Stage.BOOTING) and handle.kill is None
        ]
        return min(each for each in times if each is not None)

    def _due(self, handle: WorkerHandle) -> Held:
        """What has a deadline to be kept here."""
        held = handle.slot.held()
        spared = handle.kill is not None or handle.who is None or held.lease == handle.excused
        return Held(0, 0) if spared else held

    def _watch(self) -> None:
        """Register with epoll what there is now."""
        wanted = {template.channel.fileno() for template in self.generations.templates()}
        wanted |= set(self.control.descriptors()) | set(self.ownership.descriptors())
        if self.broker.channel is not None:
            wanted.add(self.broker.channel.fileno())
        if self.guardian_fd >= 0:
            wanted.add(self.guardian_fd)
        for descriptor in self._watched - wanted:
            try:
                self._epoll.unregister(descriptor)
            except (FileNotFoundError, OSError):
                continue  # closed, and so forgotten by the kernel already
        for descriptor in wanted:
            try:
                self._epoll.register(descriptor, select.EPOLLIN)
            except FileExistsError:
                continue
        self._watched = wanted

    def _empty(self, signal_end: socket.socket) -> None:
        with suppress(BlockingIOError):
            while signal_end.recv(4096):
                continue
        with suppress(BlockingIOError):
            os.eventfd_read(self.wake)

    # -- hearing -----------------------------------------------------------------------------------------------

    def _hear(self, ready: set[int], now: int) -> None:
        self._hear_children(now)
        if self.control.fileno() in ready:
            self.control.accept()
        for descriptor in ready & set(self.control.descriptors()):
            self.control.serve(descriptor)
        if ready & set(self.ownership.descriptors()):
            self.owners_changed(now)
        if self.guardian_fd in ready:
            self._replace_guardian()

    def _hear_children(self, now: int) -> None:
        for template in self.generations.templates():
            for message, descriptors in template.channel.drain():
                self._from_template(template, message, descriptors, now)
                if message is None:
                    break
        if self.broker.channel is not None:
            for message, _ in self.broker.channel.drain():
                self._from_broker(message, now)

    def _from_template(
        self, template: TemplateHandle, message: Message | None, descriptors: list[int], now: int
    ) -> None:
        match message:
            case Imported():
                self.generations.imported(template, message, descriptors[0], now)
                current = self.generations.current
                if current is template and current.names is not None:
                    self.broker.tell_names(current.names, current.generation)
            case ImportFailed():
                self.generations.import_failed(template, message.reason, now)
                if self.generations.unserved:
                    self.broker.promote(self.generations.unserved)
            case Forked():
                handle = self.pool.forked(message.worker, message.pid)
                status = self._statuses.pop(message.pid, None)
                if handle is not None and status is not None:
                    self._dead(handle, status, now)

    def _from_broker(self, message: Message | None, now: int) -> None:
        match message:
            case Fenced():
                for handle in self.pool:
                    if handle.kill is not None and message.lease in (handle.kill.lease, handle.slot.held().lease):
                        self.executioner.fenced(handle, message.lease, message.kill, now)
            case Buried():
                self.broker.buried(message.worker)
                self.pool.buried(message.worker)
            case CancelRunning():
                self._cancel(message, now)

    def _cancel(self, order: CancelRunning, now: int) -> None:
        """Ask first: the signal raises in the task, if it is still that one. The kill comes when that did not help."""
        handle = self.pool.workers.get(order.worker)
        if handle is None or handle.who is None or (handle.cancel is not None and handle.cancel.lease == order.lease):
            return
        handle.cancel = Cancel(order.lease, now + _AGAIN_NS, now + int(self.pool.settings.cancel_grace * 1e9))
        handle.send(signals.CANCEL)

    def _replace_guardian(self) -> None:
        os.close(self.guardian_fd)
        self.guardian_fd = -1
        if self.ending:
            return
        log.error("the guardian (pid %d) died: a new one is started", self.guardian)
        arguments = [
            f"--dir={self.directory}",
            f"--adopt={os.getpid()}",
            f"--board={self.board.descriptor}",
            f"--wake={self.wake}",
        ]
        started = start("supervisor.guardian", arguments, [self.board.descriptor, self.wake])
        self.guardian, self.guardian_fd = started.pid, started.pidfd

    # -- reaping -----------------------------------------------------------------------------------------------

    def _reap(self, now: int) -> None:
        left_over = self._changed_any(reaper.reap(), now) or 0 < self._sweep_ns <= now
        while left_over:
            swept = reaper.sweep(self._known)
            # What cannot be got rid of at once must not keep us from our other duties.
            self._sweep_pause_ns = 0 if swept.clean else min(2 * self._sweep_pause_ns + _SWEEP_NS, _BEAT_NS)
            self._sweep_ns = 0 if swept.clean else now + self._sweep_pause_ns
            left_over = self._changed_any(swept.changes, now)

    def _changed_any(self, changes: list[reaper.Change], now: int) -> bool:
        """Handle changes of children; whether there may be processes now that dead ones left."""
        kinds = [self._changed(change, now) for change in changes]
        return any(kinds)

    def _known(self) -> list[int]:
        """Children that are ours. The template's word is read first: a worker's pid is told before it lands here."""
        self._hear_children(time.monotonic_ns())
        known = [handle.pid for handle in self.pool if handle.who is not None]
        known += [template.process.pid for template in self.generations.templates()]
        return [*known, self.broker.pid, self.guardian]

    def _changed(self, change: reaper.Change, now: int) -> bool:
        """Handle one change of a child; whether a worker died, who may have left others."""
        self._hear_children(now)
        handle = self.pool.by_pid(change.pid)
        if change.stopped:
            self._stopped(change.pid, handle, now)
            return False
        if handle is not None:
            self._dead(handle, change.status, now)
            return True
        if change.pid == self.broker.pid:
            if not self.ending:
                log.error("the broker (pid %d) died: a new one is started", change.pid)
            self.broker.ended(now)
        elif not self.generations.ended(change.pid, now) and change.pid != self.guardian:
            self._statuses[change.pid] = change.status
            while len(self._statuses) > 100:
                self._statuses.pop(next(iter(self._statuses)))
        return False

    def _stopped(self, pid: int, handle: WorkerHandle | None, now: int) -> None:
        if handle is not None:
            self.executioner.stopped(handle, now)
            handle.stopped_ns = now
        elif pid == self.broker.pid:
            self.broker.kill("was stopped")
        else:
            for template in self.generations.templates():
                if template.process.pid == pid:
                    log.error("the template (pid %d) was stopped: killed", pid)
                    signal.pidfd_send_signal(template.process.pidfd, signal.SIGKILL)

    def _dead(self, handle: WorkerHandle, status: int, now: int) -> None:
        death = self.deaths.read(handle, status)
        self._finalise(handle, death, now)

    def _finalise(self, handle: WorkerHandle, death: Death, now: int) -> None:
        running, claim = handle.slot.running(), handle.slot.claimed()
        started = running.lease if running is not None else (claim.lease if claim else 0)
        if death.cause is not Cause.SHUTDOWN:
            self.kills[death.cause.value] = self.kills.get(death.cause.value, 0) + 1
            log.warning("worker %d is gone: %s", handle.pid, death.message)
        self.broker.gone(Gone(handle.number, started, death.cause.value, death.message, death.stack))
        self.pool.remove(handle, now)
        if handle.replaces is not None:
            handle.replaces.retired_why = ""

    # -- enforcing ---------------------------------------------------------------------------------------------

    def _enforce(self, now: int) -> None:
        self.pool.look_ready()
        for handle in self.pool:
            self._enforce_one(handle, now)
        for handle, lease, why in self.memory.over(now):
            if lease:
                self.executioner.condemn(handle, Cause.MEMORY, why, now, lease)
            else:
                log.warning("worker %d, which has nothing to do, is replaced: %s", handle.pid, why)
                self.executioner.condemn(handle, Cause.SHUTDOWN, why, now)  # no fault of the task it is given next
        if self.drain_until_ns is not None and now >= self.drain_until_ns:
            for handle in self.pool:
                self.executioner.condemn(handle, Cause.SHUTDOWN, "the supervisor stopped", now)

    def _enforce_one(self, handle: WorkerHandle, now: int) -> None:
        due = self._due(handle)
        if handle.kill is not None:
            self._carry_on(handle, handle.kill, now)
        elif due.deadline_ns and now >= due.deadline_ns:
            self.executioner.condemn(handle, Cause.TIMEOUT, "it ran past its hard limit", now, due.lease)
        elif handle.cancel is not None:
            self._enforce_cancel(handle, handle.cancel, now)
        elif handle.stage in (Stage.FORKING, Stage.BOOTING) and now - handle.spawned_ns > self.pool.boot_limit_ns():
            log.error("worker %d did not get ready in %.1f s: replaced", handle.pid, self.pool.boot_limit_ns() / 1e9)
            if handle.who is None:
                self._finalise(handle, Death(Cause.SHUTDOWN, "it was never forked"), now)
            else:
                self.executioner.condemn(handle, Cause.EXIT, "it did not get ready in time", now)
        elif handle.stopped_ns:
            self._enforce_stopped(handle, now)

    def _enforce_cancel(self, handle: WorkerHandle, cancel: Cancel, now: int) -> None:
        if handle.slot.held().lease != cancel.lease:
            handle.cancel = None  # it has ended
        elif now >= cancel.kill_ns:
            why = "it was cancelled and did not end by itself"
            self.executioner.condemn(handle, Cause.CANCELLED, why, now, cancel.lease)
            handle.cancel = None
        elif now >= cancel.again_ns:
            cancel.again_ns = now + _AGAIN_NS
            handle.send(signals.CANCEL)

    def _carry_on(self, handle: WorkerHandle, kill: Kill, now: int) -> None:
        if kill.stage is KillStage.KILLED and now >= kill.until_ns:
            log.error("worker %d was killed but cannot be reaped: it sits in the kernel; it is given up", handle.pid)
            self._finalise(handle, Death(kill.cause, kill.message, kill.stack), now)
        else:
            self.executioner.step(handle, now)

    def _enforce_stopped(self, handle: WorkerHandle, now: int) -> None:
        """Somebody stopped it. A task that it has begun has until the deadline; one that it has not begun, or the next
        that it would be given, is better off elsewhere.
        """
        running = handle.slot.running()
        if proc.state(handle.pid) not in ("T", "t"):
            handle.stopped_ns = 0
        elif running is not None and not running.running and now - handle.stopped_ns > _STOPPED_NS:
            self.executioner.condemn(handle, Cause.SHUTDOWN, "it was stopped while it had nothing to do", now)

    # -- filling -----------------------------------------------------------------------------------------------

    def _fill(self, now: int) -> None:
        if self.ending:
            return
        if self.broker.process is None and now >= self.broker.start_ns:
            self.broker.start(self.generations.spec, self.pool.alive(), now)
            self.pool.opened = list(self.pool)
        if self.drain_until_ns is None:
            self.generations.keep(now)
            self.pool.fill(now)
        self.broker.repeat_names()
        for handle in list(self.pool.opened):
            if self.broker.send(Opened(handle.number, handle.slot.number), [handle.talk, handle.raw]):
                self.pool.opened.remove(handle)

    def _beat(self, now: int) -> None:
        if now < self._next_beat:
            return
        self._next_beat = now + _BEAT_NS
        self.board.put(Header.MASTER_BEAT_NS, now)
        settings = self.generations.spec.settings
        if self.broker.silent_ns(now) > settings.heartbeat_timeout * 1e9:
            self.broker.kill("hangs")
        self.generations.check(now)
        if (
            self.drain_until_ns is None
            and self.generations.spec.reload
            and self.generations.sources_changed(self._sources)
        ):
            log.info("the code of the tasks has changed: reloading")
            self.generations.reload(self.generations.spec, now)

    # -- owners ------------------------------------------------------------------------------------------------

    def owners_changed(self, now: int) -> None:
        """Read again who owns the tree: end with the last, follow the newest."""
        before, had = self.ownership.newest, self.ownership.names()
        died = self.ownership.read()
        newest = self.ownership.newest
        if newest is None:
            settings = self.generations.spec.settings
            self.drain(settings.orphan_grace if died else settings.grace, now)
        elif before is None or newest.file_name != before.file_name:
            if had and self.drain_until_ns is None:
                log.info("process %d decides about the code from now on", newest.who.pid)
                self.generations.reload(newest.spec, now)

    def drain(self, grace: float, now: int) -> None:
        """Hand out nothing more, let what runs end within ``grace`` seconds, stop and put back the rest."""
        if self.drain_until_ns is None:
            log.info("draining: running tasks have %g s", grace)
            self.broker.drain()
            for handle in self.pool:
                self.pool.retire(handle, "the supervisor stops")
        until = now + int(grace * 1e9)
        self.drain_until_ns = min(self.drain_until_ns or until, until)

    def _finished(self) -> bool:
        """Whether everything has ended: workers first, then the broker, which writes their ends down."""
        if self.drain_until_ns is None:
            return False
        now = time.monotonic_ns()
        if self.pool.workers:
            for handle in self.pool:
                self.pool.retire(handle, "the supervisor stops")
            return False
        if not self.ending:
            self.ending = True
            self._end_ns = now + _END_NS
            for template in self.generations.templates():
                template.channel.send(Stop())
        if self.broker.process is not None:
            if self.broker.all_buried or now > self._end_ns:
                self.broker.stop()
            if now > self._end_ns + _END_NS:
                self.broker.kill("does not end")
            return False
        return True

    def _say_goodbye(self) -> None:
        for template in self.generations.templates():
            signal.pidfd_send_signal(template.process.pidfd, signal.SIGKILL)
        reaper.sweep(lambda: [self.guardian])
        self.control.close()
        log.info("done")

    # -- the control socket ------------------------------------------------------------------------------------

    def _answer(self, name: str, arguments: dict[str, object]) -> dict[str, object]:
        now = time.monotonic_ns()
        match name:
            case "status":
                return describe(self)
            case "owners":
                self.owners_changed(now)
                return {"generation": self.generations.newest, "draining": self.drain_until_ns is not None}
            case "reload":
                if self.drain_until_ns is not None:
                    return {"error": "it is draining"}
                self.ownership.read()
                newest = self.ownership.newest
                spec = newest.spec if newest else self.generations.spec
                return {"generation": self.generations.reload(spec, now)}
            case "stop":
                grace = arguments.get("grace")
                self.drain(float(grace) if isinstance(grace, int | float) else self._grace(), now)
                return {"draining": True}
            case _:
                return {"error": f"there is no request {name!r}"}

    def _grace(self) -> float:
        return self.generations.spec.settings.grace
