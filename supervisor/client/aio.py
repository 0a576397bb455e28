"""The asyncio client: native, one connection an event loop, all calls in flight on it at once."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import TypeVar

from supervisor.client.calls import Call
from supervisor.client.manager import FIRST_BACKOFF, LONGEST_BACKOFF, reason
from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError, SupervisorError
from supervisor.wire import handshake
from supervisor.wire.address import short_path
from supervisor.wire.codec import ERROR, FrameBuffer, Reply, decode_plain, decode_reply, encode, frame
from supervisor.wire.connection import LIMIT
from supervisor.wire.remote import rebuild

T = TypeVar("T")
_READ = 256 * 1024


class AsyncConnection:
    """One connection; answers find their calls by number. It is closed when its reader ends, with the loop at last."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._next = 1
        self._sending = asyncio.Lock()
        self._frames = FrameBuffer(LIMIT)
        self._reader: asyncio.Task[None] | None = None
        self.closed = False

    @classmethod
    async def open(cls, directory: Directory) -> AsyncConnection:
        """Connect and prove the key, without ever blocking the loop."""
        loop = asyncio.get_running_loop()
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.setblocking(False)
        try:
            with short_path(directory.socket) as path:
                await loop.sock_connect(connected, path)
            connected.getpeername()  # raises where a full backlog only looked like success: the call tries again
            connection = cls(connected)
            await connection._prove(directory.read_key())
        except BaseException:
            connected.close()
            raise
        connection._reader = loop.create_task(connection._read())
        return connection

    async def _prove(self, key: bytes) -> None:
        loop = asyncio.get_running_loop()
        server_nonce = b""
        while len(server_nonce) < handshake.NONCE:
            server_nonce += await self._receive(handshake.NONCE - len(server_nonce))
        client_nonce = handshake.new_nonce()
        await loop.sock_sendall(self._socket, frame(handshake.answer(key, server_nonce, client_nonce), LIMIT))
        bodies: list[bytes] = []
        while not bodies:
            bodies = self._frames.feed(await self._receive(_READ))
        if not bodies[0]:
            raise PermissionError("it refused our key or our user")
        if not handshake.verify(key, server_nonce, client_nonce, bodies[0]):
            raise PermissionError("it does not know the key itself")

    async def _receive(self, most: int) -> bytes:
        data = await asyncio.get_running_loop().sock_recv(self._socket, most)
        if not data:
            raise ConnectionResetError("the other side hung up")
        return data

    async def _read(self) -> None:
        error: BaseException = ConnectionResetError("the connection was closed")
        try:
            while True:
                for body in self._frames.feed(await self._receive(_READ)):
                    self._deliver(decode_reply(body))
        except OSError as broken:
            error = broken
        finally:
            self.closed = True
            self._socket.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)

    def _deliver(self, reply: Reply) -> None:
        future = self._waiting.get(reply.ident or 0)
        if future is None or future.done():
            return  # its caller has given up
        if reply.kind == ERROR:
            future.set_exception(rebuild(decode_plain(reply.value)))
        else:
            future.set_result(reply)

    async def request(self, method: str, arguments: tuple[object, ...]) -> Reply:
        """Send a request; its answer."""
        ident, self._next = self._next, self._next + 1
        data = frame(encode((ident, method, arguments)), LIMIT)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        self._waiting[ident] = future
        try:
            async with self._sending:
                await self._send(loop, data)
            return await future
        finally:
            del self._waiting[ident]

    async def _send(self, loop: asyncio.AbstractEventLoop, data: bytes) -> None:
        try:
            await loop.sock_sendall(self._socket, data)
        except BaseException:
            # Half a message may be on its way: nothing sensible can follow it.
            if self._reader is not None:
                self._reader.cancel()
            raise


class AsyncClient:
    """Calls the broker from coroutines, on any number of event loops."""

    def __init__(
        self, directory: Directory, connect_timeout: float, revive: Callable[[Directory], None] | None = None
    ) -> None:
        self._directory = directory
        self._connect_timeout = connect_timeout
        self._revive = revive
        self._pid = os.getpid()
        self._open: dict[asyncio.AbstractEventLoop, asyncio.Task[AsyncConnection]] = {}
        self.opened = 0
        """How many connections were made: what was learnt over an earlier one may be out of date."""

    async def perform(self, call: Call[T]) -> T:
        """Make a call; see :meth:`supervisor.client.manager.QueueProxy.perform`."""
        until = time.monotonic() + call.timeout
        backoff = FIRST_BACKOFF
        tried = False
        first: OSError | None = None
        while True:
            try:
                async with asyncio.timeout(max(0.0, until + call.slack - time.monotonic())):
                    connection = await self._connection()
                    left = max(0.0, until - time.monotonic())
                    reply = await connection.request(call.method, call.arguments(left, tried))
                return call.decode(reply.value)
            except SupervisorError:
                raise
            except PermissionError as error:
                raise QueueUnavailableError(str(self._directory), str(error)) from error
            except OSError as error:
                first = first or error
                left = until - time.monotonic()
                if left <= 0:
                    raise QueueUnavailableError(str(self._directory), reason(first, call.timeout)) from error
                if self._revive is not None:
                    await asyncio.to_thread(self._revive, self._directory)
                await asyncio.sleep(min(backoff, left))
                backoff = min(2 * backoff, LONGEST_BACKOFF)
                tried = True

    async def _connection(self) -> AsyncConnection:
        """The connection of this loop; many callers at once wait for one to be opened."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._open = {}
        loop = asyncio.get_running_loop()
        opening = self._open.get(loop)
        if opening is None or _useless(opening):
            self._open = {old: task for old, task in self._open.items() if not old.is_closed()}
            self.opened += 1
            opening = self._open[loop] = loop.create_task(AsyncConnection.open(self._directory))
            opening.add_done_callback(_useless)  # looks at its error, lest asyncio complains that nobody did
        # Shielded: one caller that gives up must not take the connection from the others.
        return await asyncio.shield(opening)


def _useless(opening: asyncio.Task[AsyncConnection]) -> bool:
    if not opening.done():
        return False
    return opening.cancelled() or opening.exception() is not None or opening.result().closed
