"""USR2: a new arbiter beside the old one, and either of them stopped."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.system import proc
from tests.gunicorn.conftest import MakeServer
from tests.gunicorn.test_reloading import TASKS, held_by, new_version
from tests.support.gunicorns import both_releases
from tests.support.server import RefusedError, Server
from tests.support.waiting import until


class Traffic:
    """Submits through the web server, one after the other, all the time; each task writes one line."""

    def __init__(self, server: Server, notes: Path) -> None:
        self._server = server
        self._notes = notes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.accepted: dict[str, str] = {}
        """Task id → its line."""
        self.gaps: list[float] = [0.0]
        """Seconds between two submits that went well."""
        self.refused: list[str] = []

    def _run(self) -> None:
        last, number = time.monotonic(), 0
        while not self._stop.is_set():
            number += 1
            try:
                self.accepted[self._server.submit("note", str(self._notes), f"{number}\n")] = str(number)
            except (RefusedError, OSError, http.client.HTTPException) as error:
                if str(error).startswith("503"):  # what else there is comes of web workers that quit in mid-request
                    self.refused.append(str(error)[:500])
                self._stop.wait(0.005)
                continue
            now = time.monotonic()
            self.gaps.append(now - last)
            last = now

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """While the block runs; at least ten submits before and after it."""
        self._thread.start()
        try:
            self._some_more()
            yield
            self._some_more()
        finally:
            self._stop.set()
            self._thread.join()

    def _some_more(self) -> None:
        goal = len(self.accepted) + 10
        until(lambda: len(self.accepted) >= goal, "ten more submits", 30.0)

    def check(self) -> None:
        """Nothing was refused, lost or done twice."""
        assert not self.refused
        assert max(self.gaps) < 1 + 2, "one second, and two more for a machine that is busy"
        until(lambda: self._server.queue.stats().unfinished == {}, "every task to be done", 30.0)
        lines = self._notes.read_text().split()
        # A submit whose answer was cut off may have been accepted all the same; its task then ran once, too.
        assert len(lines) == len(set(lines))
        assert set(self.accepted.values()) <= set(lines)


def supervisors(server: Server) -> tuple[int, int]:
    """How many guardians and masters there are."""
    titles = server.titles()
    return sum("supervisor: guardian" in each for each in titles), sum("supervisor: master" in each for each in titles)


@both_releases
@pytest.mark.parametrize("signum", [signal.SIGQUIT, signal.SIGKILL], ids=["quit", "kill"])
def test_when_the_old_arbiter_is_stopped_the_supervisor_goes_on_with_the_new_code(
    make_server: MakeServer, tmp_path: Path, signum: int
) -> None:
    server = make_server(tasks=TASKS)
    new_version(server, 1)
    server.start()
    master, flag = server.pid_of("master"), tmp_path / "flag"
    runs = server.submit("jobs:wait_and_tell", str(flag))
    until(lambda: server.get("/record", id=runs)["state"] == "running", "a running task")
    new_version(server, 2)
    old, new = server.pid, server.upgrade()
    assert supervisors(server) == (1, 1)
    flag.touch()
    assert server.result(runs) == 1
    server.wait_ready(generation=2)
    traffic = Traffic(server, tmp_path / "notes")
    with traffic.flowing():
        server.send(signum, old)
        server.wait_end()
    traffic.check()
    assert server.pid_of("master") == master
    assert supervisors(server) == (1, 1)
    assert server.result(server.submit("jobs:version")) == 2
    server.send(signal.SIGTERM, new)
    server.wait_gone(20.0)


@both_releases
@pytest.mark.parametrize("signum", [signal.SIGQUIT, signal.SIGKILL], ids=["quit", "kill"])
def test_when_the_new_arbiter_is_stopped_the_supervisor_goes_back_to_the_old_code(
    make_server: MakeServer, tmp_path: Path, signum: int
) -> None:
    server = make_server(tasks=TASKS)
    new_version(server, 1)
    server.start()
    master = server.pid_of("master")
    new_version(server, 2)
    traffic = Traffic(server, tmp_path / "notes")
    with traffic.flowing():
        server.upgrade()
        server.wait_ready(generation=2)
        new_version(server, 1)
        server.send(signum)
        until(lambda: not server.lives(), "the end of the new arbiter", 20.0)
        server.arbiters.pop()
        server.wait_ready(generation=3)
    traffic.check()
    assert supervisors(server) == (1, 1)
    assert server.pid_of("master") == master
    assert server.result(server.submit("jobs:version")) == 1
    assert server.stop() == 0


def test_an_upgrade_may_be_followed_by_another_and_by_a_hup(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(tasks=TASKS)
    new_version(server, 1)
    server.start()
    master = server.pid_of("master")
    counts: list[tuple[int, int]] = []
    for version in (2, 3):
        new_version(server, version)
        old = server.arbiters[-1]
        server.upgrade()
        server.send(signal.SIGQUIT, old.pid)
        until(lambda old=old: not proc.is_alive(old), "the end of the old one", 20.0)  # type: ignore[misc]
        until(lambda: server.says(f"[{server.pid}]", "Master has been promoted"), "a Gunicorn that allows the next")
        server.wait_ready(generation=version)
        counts.append(held_by(server.pid))
        assert server.result(server.submit("jobs:version")) == version
    new_version(server, 4)
    server.send(signal.SIGHUP)
    server.wait_ready(generation=4)
    assert server.result(server.submit("jobs:version")) == 4
    assert server.pid_of("master") == master
    assert counts[0] == counts[1]
    server.send(signal.SIGTERM)
    server.wait_gone(20.0)
