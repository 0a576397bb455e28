"""A worker's connection to the broker: asks for work, reports, and survives the broker's restarts."""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable

import msgspec

from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.log import log
from supervisor.wire.connection import Connection, connect
from supervisor.wire.messages import Grant, Hello, Report, bare_report
from supervisor.wire.talks import Item

_FIRST_BACKOFF = 0.01
_LONGEST_BACKOFF = 0.5
_decode_grants = msgspec.msgpack.Decoder(list[Grant]).decode


class Link:
    """Reports that no answer has confirmed are kept, and sent again over a new connection: the broker drops those
    that it had already.
    """

    def __init__(self, directory: Directory, hello: Hello, connect_timeout: float, bell: int) -> None:
        self._directory = directory
        self._hello = hello
        self._connect_timeout = connect_timeout
        self._connection: Connection | None = None
        self.open: Callable[[], Connection] = self._open
        """Makes a connection to the broker."""
        self._unconfirmed: list[Report] = []
        self._bell = bell
        self._unheard = False
        """Given several tasks, we are not listened to until we ring: one look reads all our reports."""
        self._items: deque[Item] = deque()
        """Items that were sent and not answered yet, the earliest first."""

    def connect(self) -> None:
        """Connect and say hello, for as long as it takes: should the master die, so do we."""
        backoff = _FIRST_BACKOFF
        while not self._try_to_connect():
            select.select([], [], [], backoff)
            backoff = min(2 * backoff, _LONGEST_BACKOFF)

    def _try_to_connect(self) -> bool:
        self.close()
        try:
            connection = self.open()
            connection.send((0, "hello", (self._hello,)))
            connection.receive_reply()
        except (OSError, SupervisorError) as error:
            log.debug("no broker to connect to yet: %s", error)
            return False
        self._connection = connection
        return True

    def _open(self) -> Connection:
        return connect(self._directory.socket, self._directory.read_key(), self._connect_timeout)

    def report(self, report: Report) -> None:
        """Say how an attempt ended, at once and without waiting for an answer."""
        self._unconfirmed.append(report)
        if self._connection is not None:
            try:
                self._connection.send_body(bare_report(report))
            except OSError:
                self._connection = None  # the next request connects again, and says it again

    # -- items -------------------------------------------------------------------------------------------------

    def put(self, item: Item) -> None:
        """Send what a task yields, without waiting for an answer; see :meth:`answered`."""
        self._items.append(item)
        if self._connection is not None:
            try:
                self._connection.send((0, "item", (item,)))
            except OSError:
                self.close()

    def unanswered(self) -> int:
        """How many items are on their way."""
        return len(self._items)

    def fileno(self) -> int | None:
        """What becomes readable when an answer comes; None while there is no connection."""
        return None if self._connection is None else self._connection.fileno()

    def look(self, wait: float) -> bool:
        """Take an answer about the earliest item that is on its way, if there is one or it comes within so many
        seconds. False when there is none. Without a connection it tries to make one, and sends everything again that
        was not answered.
        """
        try:
            if self._connection is None:
                return self._resume()
            if not self._connection.ready(wait):
                return False
            self._connection.receive_reply()
        except (OSError, SupervisorError) as error:
            log.debug("the broker is gone (%s): connecting again", error)
            self.close()
            return False
        self._items.popleft()
        return True

    def _resume(self) -> bool:
        if not self._try_to_connect():
            return False
        assert self._connection is not None
        for report in self._unconfirmed:
            self._connection.send_body(bare_report(report))
        for item in self._items:
            self._connection.send((0, "item", (item,)))
        return True

    # -- work --------------------------------------------------------------------------------------------------

    def next(self, last: list[Report], most: int) -> list[Grant]:
        """Report and ask for at most ``most`` tasks; waits until there are any."""
        self._unconfirmed += last
        first = True
        while True:
            try:
                if self._connection is None:
                    self.connect()
                    first = False
                assert self._connection is not None
                # Over this connection earlier reports went before; over a new one all that is unconfirmed goes again.
                self._connection.send((0, "next", (last if first else self._unconfirmed, most)))
                if self._unheard:
                    os.eventfd_write(self._bell, 1)
                reply = self._connection.receive_reply()
            except (OSError, SupervisorError) as error:
                log.debug("the broker is gone (%s): connecting again", error)
                self.close()
                continue
            self._unconfirmed = []
            grants = _decode_grants(reply.value)
            self._unheard = len(grants) > 1
            return grants

    def say(self, last: list[Report]) -> None:
        """Report without asking for more, and leave."""
        while True:
            try:
                if self._connection is None:
                    self.connect()
                assert self._connection is not None
                for report in [*self._unconfirmed, *last]:
                    self._connection.send((0, "report", (report,)))
                    self._connection.receive_reply()
            except (OSError, SupervisorError):
                self.close()
                continue
            self._unconfirmed = []
            return

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
