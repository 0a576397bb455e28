"""The master's loop: wait, handle what came, reap, enforce deadlines, fill the pool."""

from __future__ import annotations

import socket
import time

from supervisor.directory import Directory
from supervisor.log import log
from supervisor.master import reaper, stacks
from supervisor.master.broker import BrokerHandle
from supervisor.master.control import Answer, ControlServer
from supervisor.master.ears import Ears
from supervisor.master.ending import Ending
from supervisor.master.enforcer import Enforcer
from supervisor.master.executioner import Executioner
from supervisor.master.figures import figures
from supervisor.master.generations import Generations
from supervisor.master.guardian import GuardianHandle
from supervisor.master.ownership import Change, Ownership
from supervisor.master.pool import Pool
from supervisor.master.status import describe, pulse
from supervisor.master.template import Shared, TemplateHandle
from supervisor.master.undertaker import Undertaker
from supervisor.owners import Owner
from supervisor.scoreboard import Header, Scoreboard
from supervisor.wire.channel import (
    Buried,
    CancelRunning,
    Configure,
    Fence,
    Fenced,
    Forked,
    Imported,
    ImportFailed,
    Message,
    Opened,
    Spared,
    StopRunning,
    Unforked,
)

_BEAT_NS = 500_000_000


class Master:
    """One tree of processes on one directory: who belongs to it, and the loop that keeps it going."""

    def __init__(
        self, directory: Directory, board: Scoreboard, wake: int, listener: socket.socket, guardian: int
    ) -> None:
        self.directory = directory
        self.shared = Shared(board, wake)
        self.ownership = Ownership(directory)
        self.pool = Pool(board, self.ownership.spec.settings)
        self.broker = BrokerHandle(directory, listener, self.shared)
        self.generations = Generations(self.shared, self.pool, self.ownership.spec)
        self.guardian = GuardianHandle(guardian)
        executioner = self.executioner = Executioner(
            lambda lease, cause: self.broker.send(Fence(lease, cause.value)),
            lambda lease: self.broker.send(Spared(lease)),
        )
        self.undertaker = Undertaker(self.pool, self.broker, self.generations, executioner, self.guardian)
        self.enforcer = Enforcer(self.pool, executioner, self.undertaker.finalise)
        self.ending = Ending(self.pool, self.broker, self.generations, executioner)
        self._beat_ns = 0
        board.put(Header.SINCE_NS, int(self.ownership.since * 1e9))

    # -- the loop ----------------------------------------------------------------------------------------------

    def run(self, signals: socket.socket) -> None:
        """Until the last owner is gone and everything has ended."""
        control = ControlServer(self.directory, self._answer)
        ears = Ears(signals, self.shared.wake, control.fileno())
        now = time.monotonic_ns()
        while not self.ending.advance(now):
            ready = ears.listen(self._descriptors() | set(control.descriptors()), self._patience(now))
            now = time.monotonic_ns()
            self._hear_children()
            control.serve(ready)
            self._hear_others(ready, now)
            self.undertaker.reap(self._hear_children, now)
            self.pool.look_ready()
            self.enforcer.enforce(now)
            self._fill(now)
            self._beat(now)
        self.generations.kill()
        reaper.sweep(lambda: [self.guardian.pid])
        control.close()
        log.info("done")

    def _patience(self, now: int) -> float:
        """Seconds to sleep. What we will wake for is published first, and the deadlines are read after: a broker
        that claims in between either sees our word and wakes us, or its claim is seen by us.
        """
        times = [
            self._beat_ns,
            self.ending.next_ns(now),
            self.undertaker.sweep_ns,
            self.pool.next_fork_ns(now),
            self.generations.next_ns(),
            self.broker.next_ns(),
            *self.enforcer.times(now),
        ]
        until = min(each for each in times if each is not None)
        self.shared.board.put(Header.MASTER_WAKE_NS, until)
        return (min([until, *self.enforcer.deadlines()]) - now) / 1e9

    def _descriptors(self) -> set[int]:
        """What is listened to at this moment, beside what always is."""
        found = {template.channel.fileno() for template in self.generations.templates()}
        found |= set(self.ownership.descriptors())
        if self.broker.channel is not None:
            found.add(self.broker.channel.fileno())
        if self.guardian.descriptor >= 0:
            found.add(self.guardian.descriptor)
        return found

    # -- hearing -----------------------------------------------------------------------------------------------

    def _hear_others(self, ready: set[int], now: int) -> None:
        if ready & set(self.ownership.descriptors()):
            self._owners_changed(now)
        if self.guardian.descriptor in ready:
            if self.ending.closing:
                self.guardian.forget()
            else:
                self.guardian.replace(self.directory, self.shared.board, self.shared.wake)

    def _hear_children(self) -> None:
        now = time.monotonic_ns()
        for template in self.generations.templates():
            for message, descriptors in template.channel.drain():
                self._from_template(template, message, descriptors, now)
        if self.broker.channel is not None:
            for message, _ in self.broker.channel.drain():
                self._from_broker(message, now)

    def _from_template(
        self, template: TemplateHandle, message: Message | None, descriptors: list[int], now: int
    ) -> None:
        match message:
            case Imported():
                self.generations.imported(template, message, descriptors[0], now)
                if template is self.generations.current and template.names is not None:
                    self.broker.tell_names(template.names, template.generation)
            case ImportFailed():
                self.generations.import_failed(template, message.reason, now)
                if self.generations.unserved:
                    self.broker.promote(self.generations.unserved)
            case Forked():
                self.undertaker.forked(message.worker, message.pid, now)
            case Unforked():
                self.undertaker.unforked(message.worker, now)

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
                self.enforcer.cancel(message, now)
            case StopRunning():
                self.enforcer.stop(message, now)
            case Configure():
                self.pool.configure(message.values)

    # -- filling -----------------------------------------------------------------------------------------------

    def _fill(self, now: int) -> None:
        if self.ending.closing:
            return
        if self.broker.process is None and now >= self.broker.start_ns:
            self.broker.start(self.generations.spec, self.pool.alive(), self.pool.fences(), now)
            self.pool.opened = list(self.pool)
        if not self.ending.begun:
            self.generations.keep(now)
            self.pool.fill(now)
        self.broker.repeat_names()
        for handle in list(self.pool.opened):
            if self.broker.send(Opened(handle.number, handle.slot.number), [handle.talk, handle.raw]):
                self.pool.opened.remove(handle)

    def _beat(self, now: int) -> None:
        if now < self._beat_ns:
            return
        self._beat_ns = now + _BEAT_NS
        self.shared.board.put(Header.MASTER_BEAT_NS, now)
        if self.broker.silent_ns(now) > self.generations.spec.settings.heartbeat_timeout * 1e9:
            self.broker.kill("hangs")
        self.broker.remind()
        self.pool.remind()
        self.generations.check(now)
        self.guardian.check()
        if not self.ending.begun and self.generations.sources_changed():
            log.info("the code of the tasks has changed: reloading")
            self.generations.reload(self.generations.spec, now)

    # -- owners ------------------------------------------------------------------------------------------------

    def _owners_changed(self, now: int) -> None:
        """Read again who owns the tree: end with the last, follow the newest."""
        before = self.ownership.newest
        change = self.ownership.read()
        newest = self.ownership.newest
        if newest is None:
            self._nobody_owns(change, now)
        elif self.ending.begun:
            self._somebody_came(newest, now)
        elif before is not None and newest.file_name != before.file_name:
            log.info("process %d decides about the code from now on", newest.who.pid)
            self.generations.reload(newest.spec, now)

    def _nobody_owns(self, change: Change, now: int) -> None:
        settings = self.generations.spec.settings
        match change:
            case Change.DIED if self.ending.begun:
                self.ending.begin(settings.orphan_grace, now)  # it had left, and no longer waits for our end
            case Change.DIED:
                self.ending.await_heir(settings.orphan_grace, now)
            case Change.LEFT:
                self.ending.begin(settings.grace, now)

    def _somebody_came(self, heir: Owner, now: int) -> None:
        """We drain. What an owner that died has left is taken over, where all is as it would be had we been started
        by the heir; else, and where the owner left, our guardian starts another master when we are gone.
        """
        last = self.ownership.last
        if not self.ending.inheritable:
            return
        if last is None or (heir.origin, heir.spec) != (last.origin, last.spec):
            self.ending.disinherit()
            return
        log.info("process %d takes over from %d, which died", heir.who.pid, last.who.pid)
        self.ending.call_off()
        self.generations.reload(heir.spec, now)

    def _answer(self, name: str, arguments: Answer) -> Answer:
        """Carry out what the owner or the command line asks."""
        now = time.monotonic_ns()
        match name:
            case "status" | "figures" | "pulse":
                told = {"status": describe, "figures": figures, "pulse": pulse}[name]
                return told(self)
            case "owners":
                self._owners_changed(now)
                return {"generation": self.generations.newest, "draining": self.ending.begun}
            case "reload":
                self._owners_changed(now)
                newest = self.ownership.newest
                if newest is None or self.ending.begun:
                    return {"error": "it is draining"}
                return {"generation": self.generations.reload(newest.spec, now)}
            case "stop":
                grace = arguments.get("grace")
                default = self.generations.spec.settings.grace
                self.ending.begin(float(grace) if isinstance(grace, int | float) else default, now)
                return {"draining": True}
            case _:
                return self._answer_about_worker(name, arguments)

    def _answer_about_worker(self, name: str, arguments: Answer) -> Answer:
        pid = arguments.get("pid")
        if not isinstance(pid, int):
            return {"error": f"there is no request {name!r} without a pid"}
        match name:
            case "recycle":
                return self.pool.ask_to_leave(pid)
            case "stack":
                return stacks.answer(self.pool.by_pid(pid), take=arguments.get("take") is True)
            case _:
                return {"error": f"there is no request {name!r}"}
