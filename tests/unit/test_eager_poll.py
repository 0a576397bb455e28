"""The broker stays awake only where that has been worth it, and hears everything either way."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from supervisor.broker.eager import EagerPoll


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends, of which the first one is polled."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("spare", [True, False])
def test_nothing_that_comes_is_missed(pair: tuple[socket.socket, socket.socket], spare: bool) -> None:
    ours, theirs = pair
    heard = b""

    def answer() -> None:
        for number in range(2_000):
            theirs.sendall(bytes([number % 256]))
            assert theirs.recv(1)

    other = threading.Thread(target=answer)
    with closing(select.epoll()) as epoll:
        epoll.register(ours, select.EPOLLIN)
        poll = EagerPoll(epoll, 16)
        other.start()
        while len(heard) < 2_000:
            for descriptor, _ in poll.wait(10.0, spare=spare):
                assert descriptor == ours.fileno()
                heard += ours.recv(1)
                ours.sendall(b".")
        other.join(10.0)
    assert heard == bytes(number % 256 for number in range(2_000))


def test_it_waits_as_long_as_it_was_told_to_and_no_longer_than_that_awake() -> None:
    with closing(select.epoll()) as epoll:
        poll = EagerPoll(epoll, 16)
        assert poll.wait(0.0, spare=True) == []
        spent = time.process_time()
        for _ in range(100):
            assert poll.wait(0.0008, spare=True) == []  # short ones, each of them in vain
        now = time.process_time()
        # 100 looks of 0.3 ms would be 30 ms: those in vain become rare.
        assert now - spent < 0.02
