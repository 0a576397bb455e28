"""The queue as a ``multiprocessing`` manager, seen by its clients.

``QueueManager`` and ``QueueProxy`` are a manager and a proxy in the standard library's sense, with a codec of their
own registered beside ``pickle`` and ``xmlrpclib``. What the stock ones lack is added here: a deadline on every
receive, a fresh connection after any failure, and no connection that crosses a fork.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.managers import BaseManager, BaseProxy, Token
from typing import Any, TypeVar

from supervisor.client.calls import Call
from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError, SupervisorError
from supervisor.wire.codec import Reply, decode_plain, encode
from supervisor.wire.connection import SERIALIZER, Connection, connect, read_reply, register

T = TypeVar("T")
register()
FIRST_BACKOFF = 0.01
LONGEST_BACKOFF = 0.25
_MOST_IDLE = 64


class QueueManager(BaseManager):
    """A manager whose server is the broker: only to be connected to."""

    def __init__(self, directory: Directory) -> None:
        with_path = str(directory.socket)
        super().__init__(address=with_path, authkey=directory.read_key(), serializer=SERIALIZER)


class QueueProxy(BaseProxy):
    """Calls the broker's queue. Safe to share between threads, greenlets and forked processes.

    Connections are kept in a stack; a call takes one and puts it back when its answer has come. So no two callers
    ever share one, and after a fork the child begins with an empty stack. A connection on which anything went wrong
    between send and receive is closed: its next answer would be somebody else's.
    """

    def __init__(
        self, directory: Directory, connect_timeout: float = 5.0, revive: Callable[[Directory], None] | None = None
    ) -> None:
        token = Token("Queue", str(directory.socket), "queue")
        super().__init__(token, SERIALIZER, authkey=b"-", incref=False)
        self.directory = directory
        self.connect_timeout = connect_timeout
        self._revive = revive
        self._idle: deque[Connection] = deque()
        self._pid = os.getpid()
        self.opened = 0
        """How many connections were made: what was learnt over an earlier one may be out of date."""

    def perform(self, call: Call[T]) -> T:
        """Make a call, again and again over new connections until its time is over; its value.

        Raises QueueUnavailableError when no answer came in time, and whatever error the broker answers with.
        """
        until = time.monotonic() + call.timeout

        def work() -> None:
            nonlocal until
            assert call.meanwhile is not None
            began = time.monotonic()
            call.meanwhile()
            until += time.monotonic() - began  # nobody was waited for meanwhile

        meanwhile = work if call.meanwhile is not None else None
        backoff = FIRST_BACKOFF
        tried = False
        first: OSError | None = None
        while True:
            left = max(0.0, until - time.monotonic())
            body = encode((0, call.method, call.arguments(left, tried)))
            try:
                return call.decode(self._once(body, until + call.slack, meanwhile).value)
            except SupervisorError:
                raise
            except PermissionError as error:
                raise QueueUnavailableError(str(self.directory), str(error)) from error
            except OSError as error:
                first = first or error
                left = until - time.monotonic()
                if left <= 0:
                    raise QueueUnavailableError(str(self.directory), reason(first, call.timeout)) from error
                if self._revive is not None:
                    self._revive(self.directory)
                time.sleep(min(backoff, left))
                backoff = min(2 * backoff, LONGEST_BACKOFF)
                tried = True

    def _once(self, body: bytes, until: float, meanwhile: Callable[[], None] | None) -> Reply:
        connection = self._take(until)
        try:
            connection.timeout = max(0.001, until - time.monotonic())
            connection.send_body(body)
            if meanwhile is not None:
                meanwhile()
            answer = connection.receive_body()
        except BaseException:  # a soft limit or a cancel, too, may be raised right here
            connection.close()
            raise
        self._put_back(connection)
        return read_reply(answer)

    def _put_back(self, connection: Connection) -> None:
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def _take(self, until: float) -> Connection:
        if self._pid != os.getpid():
            self._forget()
        try:
            return self._idle.pop()
        except IndexError:
            left = max(0.001, min(self.connect_timeout, until - time.monotonic()))
            self.opened += 1
            return connect(self.directory.socket, self.directory.read_key(), left)

    def _forget(self) -> None:
        """After a fork: close our copies. The parent's connections stay open, since close does not shut down."""
        idle, self._idle = self._idle, deque()
        self._pid = os.getpid()
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            self._idle.pop().close()

    # -- what a stock proxy has --------------------------------------------------------------------------------

    def _callmethod(
        self, methodname: str, args: Sequence[object] = (), kwds: Mapping[str, object] | None = None
    ) -> Any:
        """The stock way to call: the value as plain data."""
        return self.perform(Call(methodname, lambda left, again: tuple(args), decode_plain, self.connect_timeout))

    def _connect(self) -> None:
        """Stock proxies keep one connection a thread; ours are taken a call."""

    def __reduce__(self) -> Any:
        return QueueProxy, (self.directory, self.connect_timeout)


def reason(error: OSError, timeout: float) -> str:
    """Why no answer came, in words."""
    if isinstance(error, FileNotFoundError):
        return "nothing was ever started there, or it was stopped"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens on its socket"
    detail = error.strerror or str(error)
    return f"no answer within {timeout:.3g} s" + (f" ({detail})" if detail else "")
