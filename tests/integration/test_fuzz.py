"""Connections that say anything at all: the broker lives, keeps nothing of it, and serves everybody else."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.system import proc
from supervisor.wire.address import short_path
from supervisor.wire.connection import connect
from tests.support import tasks
from tests.support.nonsense import VISITS, Visit
from tests.support.shared import running
from tests.support.tree import RunningTree
from tests.support.waiting import until

CONNECTIONS = int(os.environ.get("FUZZ_CONNECTIONS", "1000"))
_MOST_OPEN = 100
_MOST_GROWTH = 16 << 20


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("fuzz"), workers=1, log_level="error") as tree:
        yield tree


def pay(visit: Visit, directory: Directory) -> socket.socket:
    """Connect, and say what is to be said."""
    if visit.proves:
        proved = connect(directory.socket, directory.read_key())
        connected = proved.socket.dup()
        proved.close()
    else:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_path(directory.socket) as path:
            connected.connect(path)
    connected.settimeout(5.0)
    for piece in visit.says:
        with contextlib.suppress(OSError):
            connected.sendall(piece)
    return connected


@pytest.mark.timeout(60 + CONNECTIONS / 10)
def test_connections_that_say_anything(shared: RunningTree) -> None:
    directory, broker = Directory(shared.dir), shared.pid_of("broker")
    still_open: deque[socket.socket] = deque()
    count = 0
    longest = 0.0

    @settings(max_examples=CONNECTIONS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(VISITS)
    def visit(found: Visit) -> None:
        nonlocal count, longest
        connected = pay(found, directory)
        if found.stays:
            still_open.append(connected)
        else:
            connected.close()
        if len(still_open) > _MOST_OPEN:
            still_open.popleft().close()
        count += 1
        if count % 50 == 0:  # somebody who means well comes by
            began = time.monotonic()
            assert shared.queue.wait(shared.queue.submit(tasks.add, 1, 2), timeout=20).result == 3
            longest = max(longest, time.monotonic() - began)

    with contextlib.suppress(SupervisorError):
        shared.queue.submit(tasks.add, 1, 2)
    before, files = proc.resident_bytes(broker), len(os.listdir(f"/proc/{broker}/fd"))
    visit()
    for connected in still_open:
        connected.close()
    assert count >= CONNECTIONS * 0.9
    assert longest < 5
    assert shared.pid_of("broker") == broker
    until(lambda: len(os.listdir(f"/proc/{broker}/fd")) <= files + 2, "its descriptors to be closed", 20)
    assert proc.resident_bytes(broker) - before < _MOST_GROWTH
