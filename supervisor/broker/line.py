"""The broker's end of the line to the master."""

from __future__ import annotations

import os
from collections.abc import Callable

from supervisor.broker.service import Service
from supervisor.broker.takeback import take_back
from supervisor.core.entry import Death
from supervisor.log import log
from supervisor.scoreboard import Word
from supervisor.states import Cause
from supervisor.wire.channel import (
    Alive,
    Buried,
    Channel,
    Drain,
    Fence,
    Fenced,
    Gone,
    Message,
    Opened,
    Promote,
    Registered,
    Roster,
    Spared,
    Stop,
)
from supervisor.wire.declared import read_declared
from supervisor.wire.messages import Hello


class MasterLine:
    """What the master says, carried out; and the event that wakes it for an early deadline."""

    def __init__(self, channel: Channel, wake: int) -> None:
        self._channel = channel
        self._wake = wake
        channel.socket.setblocking(False)
        self.stopped = False
        """The loop is to end."""
        self.welcomed = False
        """The roster has come; before it nothing may be handed out."""

    def fileno(self) -> int:
        """For selectors."""
        return self._channel.fileno()

    def wake(self) -> None:
        """Make the master look at the scoreboard now."""
        os.eventfd_write(self._wake, 1)

    def send(self, message: Message) -> None:
        """Tell the master something. It asks again for what it needs, so a lost word does no harm."""
        self._channel.send(message)

    def receive(self, service: Service, last_words: Callable[[int], None]) -> None:
        """Carry out what has arrived; ``last_words`` reads what a dead worker had still sent."""
        for message, descriptors in self._channel.drain():
            match message:
                case None | Stop():
                    self.stopped = True
                case Opened():
                    service.output.open(message.worker, message.slot, descriptors)
                case Fence():
                    self._fence(service, message, last_words)
                case Registered():
                    declared = read_declared(descriptors[0])
                    service.admission.learn(declared.names, message.generation)
                    service.timetable.declare(declared.plans, message.generation)
                    service.hooks.declare(declared.hooks)
                case Gone():
                    last_words(message.worker)
                    self._bury(service, message)
                case Spared():
                    self._spare(service, message.lease)
                case _:
                    self._govern(service, message)

    def _govern(self, service: Service, message: Message) -> None:
        match message:
            case Roster():
                self._welcome(service, message)
            case Promote():
                service.book.promote(message.generation)
            case Drain():
                service.book.draining = message.on
            case _:
                log.error("the master said something that is not for the broker: %r", message)

    def _fence(self, service: Service, order: Fence, last_words: Callable[[int], None]) -> None:
        # A report that was sent before the deadline's fence, and lies in the socket, still counts.
        lease = service.book.leases.get(order.lease)
        if lease is not None:
            last_words(lease.worker)
        kill = service.book.fence(order.lease, Cause(order.cause)) is not None
        service.turn.words.append(Fenced(order.lease, kill))

    def _spare(self, service: Service, number: int) -> None:
        lease = service.book.leases.get(number)
        if lease is not None and service.book.spare(number, service.now):
            service.turn.late.append(number)

    def _welcome(self, service: Service, roster: Roster) -> None:
        """Sort out, at a start, what the journal calls running: kept by a living worker, or cut off."""
        book, now = service.book, service.now
        alive = {each.worker: each for each in roster.alive}
        for living in roster.alive:
            self._remember(service, living)
        for worker in list(book.workers.values()):
            known = alive.get(worker.number)
            if known is None:
                book.die(worker.number, _ALL, Death(Cause.ABORT, "the whole tree of processes died"), now)
                continue
            worker.slot, worker.pid, worker.generation = known.slot, known.pid, known.generation
            take_back(book, worker, service.board.slots[known.slot], now)
        for lease in book.leases.values():
            if lease.cancelling:
                service.clearing.ask_to_end(lease)  # the broker before us may not have got round to it
        for living in roster.alive:
            book.hello(Hello(living.worker, living.slot, living.pid, living.generation))
        service.turn.words.append(service.configuring.for_master())
        self.welcomed = True

    def _remember(self, service: Service, living: Alive) -> None:
        """What only the scoreboard knows: a cancel under way, and how far the leases were counted (durability off)."""
        book, slot = service.book, service.board.slots[living.slot]
        cancelled = book.leases.get(slot.get(Word.CANCEL_LEASE))
        if cancelled is not None:
            cancelled.cancelling = True
        claim = slot.claimed()
        last = max(living.lease, claim.lease + book.dealer.batch.size if claim else 0)
        book.count_from(last + 1)

    def _bury(self, service: Service, gone: Gone) -> None:
        held = service.book.workers.get(gone.worker)
        service.output.close(gone.worker, service.now)
        leases = [lease.number for lease in held.leases] if held else []
        service.book.die(gone.worker, gone.lease, Death(Cause(gone.cause), gone.message, gone.stack), service.now)
        service.turn.late += leases
        service.links.pop(gone.worker, None)
        service.turn.words.append(Buried(gone.worker))


_ALL = 2**62
