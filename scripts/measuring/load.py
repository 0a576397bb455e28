"""Requests at a constant rate, whatever becomes of them: an answer that is late makes those behind it late as well.

Each time counts from the moment at which the request was due (Gil Tene's "coordinated omission").
"""

from __future__ import annotations

import asyncio
import time

_MOST_CONNECTIONS = 32
_FEWEST_CONNECTIONS = 8
_IDLE_SECONDS = 1.0
"""What a connection may wait until its next request; uvicorn hangs up after five."""


class Load:
    """``rate`` requests a second for ``path`` of a server at ``port``."""

    def __init__(self, port: int, path: str, rate: float) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._rate = rate
        self._connections = int(min(_MOST_CONNECTIONS, max(_FEWEST_CONNECTIONS, rate * _IDLE_SECONDS)))
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    def run(self, seconds: float) -> list[float]:
        """The seconds that each request took."""
        return asyncio.run(self.go(seconds))

    async def go(self, seconds: float) -> list[float]:
        """The same, in a loop that runs already."""
        for _ in range(self._connections):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))
        begin = time.perf_counter() + 0.05
        dues = [begin + number / self._rate for number in range(int(seconds * self._rate))]
        found = await asyncio.gather(*(self._one(due) for due in dues))
        while not self._free.empty():
            self._free.get_nowait()[1].close()
        return found

    async def _one(self, due: float) -> float:
        await asyncio.sleep(due - time.perf_counter())
        reader, writer = await self._free.get()
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        self._free.put_nowait((reader, writer))
        return time.perf_counter() - due
