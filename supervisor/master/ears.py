"""What the master's loop listens to."""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress


class Ears:
    """An epoll over what is always there (signals, the wake event, ...) and what comes and goes."""

    def __init__(self, signals: socket.socket, wake: int, *always: int) -> None:
        self._signals = signals
        self._wake = wake
        self._epoll = select.epoll()
        self._changing: set[int] = set()
        for descriptor in (signals.fileno(), wake, *always):
            self._epoll.register(descriptor, select.EPOLLIN)

    def listen(self, changing: set[int], seconds: float) -> set[int]:
        """The descriptors that are ready, after at most ``seconds``; ``changing`` are those of this moment."""
        for descriptor in self._changing - changing:
            with suppress(OSError):  # closed, and so forgotten by the kernel already
                self._epoll.unregister(descriptor)
        for descriptor in changing:
            with suppress(FileExistsError):
                self._epoll.register(descriptor, select.EPOLLIN)
        self._changing = changing
        ready = {descriptor for descriptor, _ in self._epoll.poll(max(0.0, seconds))}
        self._empty()
        return ready

    def _empty(self) -> None:
        with suppress(BlockingIOError):
            while self._signals.recv(4096):
                continue
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
