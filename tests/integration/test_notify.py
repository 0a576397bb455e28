"""What ``supervisor run`` tells systemd, heard at the other end of a real socket."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import State
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.notified import Listener, listening
from tests.support.tree import RunningTree
from tests.support.waiting import until


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Listener]:
    """The other end."""
    with listening(tmp_path / "line") as listener:
        yield listener


def told(make_tree: MakeTree, systemd: Listener, usec: int = 3_000_000, **settings: object) -> RunningTree:
    """A tree that tells of itself, started and not waited for."""
    tree = make_tree(start=False, cpus="off", **settings)
    tree.environment = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": str(usec)}
    return tree.start(wait=False)


def test_it_is_ready_when_its_broker_answers_and_a_worker_is_ready(make_tree: MakeTree, systemd: Listener) -> None:
    tree = told(make_tree, systemd)
    word = systemd.hear("READY")
    status = tree.status()
    assert status is not None
    assert status["ready"] >= 1, word
    assert tree.queue.submit(tasks.add, 1, 2)
    assert tree.process is not None
    assert {each.pid for each in systemd.heard} == {tree.process.pid}, "only the main process may speak"
    systemd.hear("WATCHDOG")


def test_a_reload_begins_and_ends_with_the_import(make_tree: MakeTree, systemd: Listener) -> None:
    tree = told(make_tree, systemd)
    systemd.hear("READY")
    tree.signal(signal.SIGHUP)
    assert int(systemd.hear("RELOADING").fields["MONOTONIC_USEC"]) > 0
    systemd.hear("READY")
    status = tree.status()
    assert status is not None
    assert status["template"]["generation"] == 2


def test_an_import_that_fails_is_no_failed_start_and_the_reason_is_told(make_tree: MakeTree, systemd: Listener) -> None:
    tree = told(make_tree, systemd, tasks="tests.support.is_not_there")
    word = systemd.hear("READY")
    assert word.fields["STATUS"].startswith("no task can run, 0 waiting: the application cannot be imported: Module")
    kept = tree.queue.submit(tasks.add, 1, 2)
    assert tree.queue.state(kept) is State.QUEUED
    systemd.hear("STATUS", "1 waiting")


def test_a_template_that_dies_as_it_imports_is_no_start_without_end(
    make_tree: MakeTree, systemd: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text("import os\nos._exit(1)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told(make_tree, systemd, tasks="deadly")
    assert "its process died" in systemd.hear("READY").fields["STATUS"]


def test_while_it_drains_it_asks_for_more_time_again_and_again(
    make_tree: MakeTree, systemd: Listener, tmp_path: Path
) -> None:
    tree = told(make_tree, systemd, grace="60s")
    systemd.hear("READY")
    tree.queue.submit(tasks.sleep, 60, str(tmp_path / "started"))
    until((tmp_path / "started").exists, "the task to start", 30.0)
    tree.signal(signal.SIGTERM)
    systemd.hear("STOPPING")
    systemd.hear("STATUS", "draining: 1 running, 0 waiting")
    for _ in range(3):
        assert int(systemd.hear("EXTEND_TIMEOUT_USEC").fields["EXTEND_TIMEOUT_USEC"]) >= 2_000_000
    tree.signal(signal.SIGTERM)
    assert tree.process is not None
    assert tree.process.wait(30.0) == 0


def test_the_watchdog_is_not_fed_while_no_master_answers(make_tree: MakeTree, systemd: Listener) -> None:
    tree = told(make_tree, systemd)
    systemd.hear("READY")
    systemd.hear("WATCHDOG")
    victims = [tree.pid_of("guardian"), tree.pid_of("master")]
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    try:
        systemd.hear("STATUS", "the master does not answer")
        assert systemd.falls_silent("WATCHDOG", 4.0), "longer than the watchdog would have waited"
    finally:
        for pid in victims:
            os.kill(pid, signal.SIGCONT)
    systemd.hear("WATCHDOG")
    systemd.hear("STATUS", "workers ready")


def test_standard_output_that_leads_to_the_journal_keeps_no_application_from_being_shared(
    make_tree: MakeTree,
) -> None:
    ours, journal = socket.socketpair()
    with ours, journal:
        tree = make_tree(start=False)
        tree.output = journal  # systemd gives services such a socket
        status = tree.start().status()
        assert status is not None
        assert status["template"]["obstacles"] == []
        assert tree.stop() == 0
