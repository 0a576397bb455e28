"""systemd's line, and what is read of it and said over it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.launch import environment
from supervisor.system.notify import NOBODY, Notifier
from supervisor.tree_pulse import TreePulse
from tests.support.notified import listening

WELL = TreePulse(
    alive=True, serving=True, silent=0.1, newest=1, judged=1, imported=1, error="", wanted=2, ready=2,
    unfinished=1_018, held=1, draining=False,
)  # fmt: skip
TRACEBACK = "Traceback (most recent call last):\n  File …\nModuleNotFoundError: No module named 'x'\n"


def test_without_a_socket_nobody_is_told_and_nothing_is_raised() -> None:
    for found in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"WATCHDOG_USEC": "5"}):
        notifier = Notifier.from_environment(found)
        assert notifier == NOBODY
        assert not notifier
        notifier.ready("well")


def test_a_socket_that_is_gone_or_full_stops_nobody(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "nowhere")).ready("well")
    with listening(tmp_path / "line") as systemd:
        for number in range(5_000):
            Notifier(systemd.address).status(str(number))
        assert systemd.hear("STATUS").fields == {"STATUS": "0"}


@pytest.mark.parametrize(
    ("given", "usec"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3_000_000),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3_000_000),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "often"}, 0),
        ({}, 0),
    ],
)
def test_a_watchdog_is_fed_only_by_whom_it_is_meant_for(given: dict[str, str], usec: int) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": "/run/line", **given})
    assert notifier.watchdog_usec == usec
    assert (notifier.pause is None) == (usec == 0)
    if notifier.pause is not None:
        assert 2 * notifier.pause * 1e6 <= usec


def test_who_succeeds_the_one_that_was_told_feeds_it_as_well() -> None:
    told = {"NOTIFY_SOCKET": "/run/line", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}
    assert Notifier.from_environment(told, successor=True).watchdog_usec == 3_000_000


def test_each_word_is_one_datagram_of_lines() -> None:
    with listening(f"@supervisor-test-{os.getpid()}") as systemd:
        assert systemd.address.startswith("@")
        notifier = Notifier(systemd.address)
        before = time.monotonic_ns() // 1000
        notifier.ready("two\nlines")
        notifier.reloading("new code")
        notifier.extend(1.5)
        notifier.main_pid(17)
        notifier.feed()
        notifier.stopping("the end")
        assert systemd.hear("READY").fields == {"READY": "1", "STATUS": "two lines"}
        reload = systemd.hear("RELOADING")
        assert before <= int(reload.fields["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert systemd.hear("EXTEND_TIMEOUT_USEC").fields == {"EXTEND_TIMEOUT_USEC": "1500000"}
        assert systemd.hear("MAINPID").fields == {"MAINPID": "17"}
        assert systemd.hear("WATCHDOG").fields == {"WATCHDOG": "1"}
        assert systemd.hear("STOPPING").fields == {"STOPPING": "1", "STATUS": "the end"}
        assert {word.pid for word in systemd.heard} == {os.getpid()}


def test_what_we_start_does_not_inherit_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.setenv(name, "1")
        assert name not in environment()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "2 of 2 workers ready; 1 running, 1,017 waiting"),
        ({"serving": False}, "no task can run: the broker is starting"),
        ({"draining": True}, "draining: 1 running, 1,017 waiting"),
        ({"held": 0, "unfinished": 3, "ready": 1}, "1 of 2 workers ready; 0 running, 3 waiting"),
        ({"held": 2, "unfinished": 1}, "2 of 2 workers ready; 2 running, 0 waiting"),
        (
            {"imported": 0, "judged": 0, "ready": 0},
            "no task can run, 1,017 waiting: the application is being imported",
        ),
        (
            {"imported": 0, "error": TRACEBACK, "ready": 0},
            "no task can run, 1,017 waiting: the application cannot be imported: ModuleNotFoundError: No module named"
            " 'x'",
        ),
        ({"imported": 0}, "2 of 2 workers ready; 1 running, 1,017 waiting"),
        (
            {"newest": 2, "judged": 2},
            "2 of 2 workers ready; 1 running, 1,017 waiting; the new code cannot be imported: its process died",
        ),
        (
            {"imported": 0, "ready": 0},
            "no task can run, 1,017 waiting: the application cannot be imported: its process died",
        ),
        (
            {"newest": 2},
            "2 of 2 workers ready; 1 running, 1,017 waiting; the new code is being imported",
        ),
        (
            {"newest": 2, "judged": 2, "error": TRACEBACK},
            "2 of 2 workers ready; 1 running, 1,017 waiting; the new code cannot be imported: ModuleNotFoundError:"
            " No module named 'x'",
        ),
    ],
)
def test_the_status_line_says_what_is_done_or_why_nothing_is(changes: dict[str, object], line: str) -> None:
    told = {name: getattr(WELL, name) for name in WELL.__slots__}
    assert TreePulse.of({**told, **changes}).status == line


@pytest.mark.parametrize(
    ("changes", "started"),
    [
        ({}, True),
        ({"serving": False}, False),
        ({"ready": 0}, False),
        ({"ready": 1}, True),
        ({"ready": 0, "imported": 0, "judged": 0}, False),
        ({"ready": 0, "imported": 0}, True),
        ({"ready": 0, "imported": 0, "serving": False}, False),
    ],
)
def test_it_has_started_when_tasks_are_taken_and_run_or_cannot_run(changes: dict[str, object], started: bool) -> None:
    told = {name: getattr(WELL, name) for name in WELL.__slots__}
    assert TreePulse.of({**told, **changes}).started is started


def test_it_is_well_while_its_broker_gives_signs_of_life() -> None:
    assert WELL.well(0.1)
    assert replace(WELL, serving=False).well(0.1), "it reads a deep queue"
    assert not WELL.well(0.05)
    assert not replace(WELL, alive=False, serving=False).well(0.1)


def test_the_pulse_of_another_release_is_refused() -> None:
    with pytest.raises(ValueError, match="no pulse"):
        TreePulse.of({"error": "there is no request 'pulse' without a pid"})
