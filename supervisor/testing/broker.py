"""The broker in this process: the real service, on a journal in memory, with turns that its callers take themselves.

It hears of workers over the real line, of which we hold the master's end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from supervisor.broker.__main__ import keep_house, open_service
from supervisor.broker.line import MasterLine
from supervisor.broker.settling import Settler
from supervisor.directory import Directory
from supervisor.errors import MessageTooLargeError
from supervisor.journal.journal import Durability, Journal
from supervisor.scoreboard import Header, Scoreboard
from supervisor.settings import Settings
from supervisor.testing.clock import Clock
from supervisor.testing.wire import Inbox
from supervisor.wire.channel import Channel, Message, Registered, Roster
from supervisor.wire.declared import Declared, declared_file

GENERATION = 1


class InProcessBroker:
    """``heard`` gets what the broker says to the master, after the turn in which it was said. May be used from any
    thread; each has the broker for itself for a turn.
    """

    def __init__(self, settings: Settings, clock: Clock, heard: Callable[[Message], None]) -> None:
        self.lock = threading.RLock()
        self.board = Scoreboard.create()
        self.board.put(Header.GENERATION, GENERATION)
        self._limit = settings.message_limit
        self._clock = clock
        self._heard = heard
        self._journal = Journal(Directory(settings.dir).journal, Durability.OFF, threads=True)
        self.service = open_service(self._journal, settings, self.board, now=clock.moment())
        self._sweeper, self._remover = keep_house(self.service, settings)
        self._master, self._end = Channel.pair()
        self._master.socket.setblocking(False)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._line = MasterLine(self._end, self._wake)
        self._settler = Settler(self.service, self._line, lambda *_: None, lambda _: None)

    # -- turns -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Serve from now on: no worker lives yet."""
        self.tell(Roster([]))

    def request(self, inbox: Inbox, body: bytes) -> None:
        """Carry out a request; what is answered at once is in the inbox then."""
        if len(body) > self._limit:
            raise MessageTooLargeError(len(body), self._limit)
        self._turn(lambda: self.service.hear(inbox, body))

    def tell(self, message: Message, descriptors: list[int] | None = None) -> None:
        """Say something as the master; the descriptors are handed over."""
        with self.lock:
            self._master.send(message, descriptors)
            for descriptor in descriptors or ():
                os.close(descriptor)
            self._turn()

    def declare(self, declared: Declared) -> None:
        """Say what the code has declared."""
        self.tell(Registered(GENERATION), [declared_file(declared)])

    def read(self) -> None:
        """Read what tasks have said, so that there is room in the pipes."""
        with self.lock:
            self.service.output.read(self._clock.moment())

    def pass_time(self) -> None:
        """The clock was moved on: see to what is due, and clear away what has outlived its time."""
        with self.lock:
            self._turn()
            self._sweeper.step(self.service.now)
            while not self._sweeper.rests:
                self._sweeper.step(self.service.now)

    def hang_up(self, inbox: Inbox) -> None:
        """A connection is gone."""
        with self.lock:
            inbox.close()
            self.service.hung_up(inbox)

    def next_due(self) -> float | None:
        """The monotonic time at which something is due by itself."""
        with self.lock:
            return self._settler.next_due()

    @property
    def ready(self) -> bool:
        """Whether something may be due now."""
        return len(self.service.book.agenda.waiting.ready) > 0

    def state(self, task_id: bytes) -> str:
        """The state of an unfinished task."""
        with self.lock:
            entry = self.service.book.agenda.tasks.get(task_id)
            return entry.state.value if entry is not None else "unknown"

    def _turn(self, handle: Callable[[], None] = lambda: None) -> None:
        with self.lock:
            self.service.now = self._clock.moment()
            self.service.output.read(self.service.now)
            self._line.receive(self.service, lambda worker: None)
            handle()
            self._settler.settle()
            words = [word for word, _ in self._master.drain() if word is not None]
        for word in words:
            self._heard(word)

    def close(self) -> None:
        """Let go of everything."""
        with self.lock:
            self._master.close()
            self._end.close()
            os.close(self._wake)
            self._remover.close()
            self._journal.close()
            os.close(self.board.descriptor)
