"""What a Gunicorn with a supervisor tells systemd, heard at the other end of a real socket."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.gunicorn.conftest import MakeServer
from tests.support.gunicorns import both_releases
from tests.support.notified import Listener, listening
from tests.support.server import Server
from tests.support.waiting import until


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Listener]:
    """The other end."""
    with listening(tmp_path / "line") as listener:
        yield listener


def told(make_server: MakeServer, systemd: Listener, **settings: object) -> Server:
    """A server that tells of itself, with a watchdog."""
    server = make_server(**settings)
    server.environment = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "3000000"}
    return server.start()


@both_releases
def test_it_tells_of_a_reload_and_of_its_end_and_the_guardian_feeds_the_watchdog(
    make_server: MakeServer, systemd: Listener, tmp_path: Path
) -> None:
    server = told(make_server, systemd)
    assert systemd.hear("READY").pid == server.pid
    assert systemd.hear("STATUS", "1 task worker(s) in").pid == server.pid
    assert systemd.hear("WATCHDOG").pid == server.pid_of("guardian")
    server.send(signal.SIGHUP)
    assert int(systemd.hear("RELOADING").fields["MONOTONIC_USEC"]) > 0
    assert systemd.hear("READY").pid == server.pid
    server.wait_ready(generation=2)
    server.submit("sleep", 60, str(tmp_path / "started"))
    until((tmp_path / "started").exists, "the task to start", 30.0)
    server.send(signal.SIGTERM)
    assert systemd.hear("STOPPING").pid == server.pid
    systemd.hear("STATUS", "draining: 1 running")
    for _ in range(3):
        assert systemd.hear("EXTEND_TIMEOUT_USEC").pid == server.pid
    server.send(signal.SIGTERM)
    assert server.wait_end() == 0


def test_the_watchdog_is_fed_while_a_guardian_is_replaced_and_not_while_gunicorn_is_stopped(
    make_server: MakeServer, systemd: Listener
) -> None:
    server = told(make_server, systemd)
    old = server.pid_of("guardian")
    server.send(signal.SIGKILL, old)
    until(lambda: systemd.hear("WATCHDOG").pid not in (old, server.pid), "the next guardian to feed it", 30.0)
    server.send(signal.SIGSTOP)
    try:
        until(lambda: systemd.falls_silent("WATCHDOG", 4.0), "silence, longer than the watchdog would have waited")
    finally:
        server.send(signal.SIGCONT)
    systemd.hear("WATCHDOG")


def test_the_watchdog_is_not_fed_while_no_broker_answers_whether_it_says_why_or_crashes(
    make_server: MakeServer, systemd: Listener
) -> None:
    server = told(make_server, systemd, durability="full", heartbeat_timeout="2s")
    journal = server.dir / "journal.db"
    server.send(signal.SIGTERM)
    assert server.wait_end() == 0
    whole = journal.read_bytes()
    journal.write_bytes(b"this is no database" * 1000)
    server.start(wait=False)
    until(lambda: server.tail(100).count("supervisor doctor") > 1, "a broker that gives up again and again", 30.0)
    until(lambda: systemd.falls_silent("WATCHDOG", 4.0), "silence, longer than the watchdog would have waited", 30.0)
    assert server.get("/who"), "the web goes on until systemd ends it"
    journal.write_bytes(whole)
    server.wait_ready()
    systemd.hear("WATCHDOG")

    def crashes() -> bool:  # each time the pause before the next one is twice as long
        status = server.status()
        pid = (status or {}).get("broker", {}).get("pid")
        with suppress(ProcessLookupError):
            if pid:
                server.send(signal.SIGSEGV, pid)
        return systemd.falls_silent("WATCHDOG", 3.0)

    until(crashes, "silence, as long as the watchdog would have waited", 60.0)
    systemd.hear("WATCHDOG")


def test_the_old_of_two_names_the_new_one_as_the_main_process(make_server: MakeServer, systemd: Listener) -> None:
    server = told(make_server, systemd)
    old, new = server.pid, server.upgrade()
    server.wait_ready(generation=2)
    server.send(signal.SIGTERM, old)
    word = systemd.hear("MAINPID", str(new))
    assert word.pid == old
    assert not [word for word in systemd.heard if "STOPPING" in word.fields]
    until(lambda: systemd.hear("WATCHDOG").pid not in (old, new), "the watchdog to be fed", 30.0)


def test_a_client_only_gunicorn_says_so_and_warns_that_nobody_feeds_its_watchdog(
    make_server: MakeServer, systemd: Listener, tmp_path: Path
) -> None:
    other = make_server(name="tasks").start()
    server = make_server(name="web", dir=other.dir, workers=0)
    server.environment = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "3000000"}
    server.start()
    systemd.hear("STATUS", "Gunicorn, client only of")
    assert "nobody feeds the watchdog of systemd" in server.tail()
    server.send(signal.SIGTERM)
    systemd.hear("STOPPING")
    assert server.wait_end() == 0
