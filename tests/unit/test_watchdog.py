"""Feeding systemd's watchdog from the guardian: by a real scoreboard and over a real socket."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisor import owners
from supervisor.directory import Directory
from supervisor.guardian.watchdog import WatchdogFeeder
from supervisor.launch import Spec
from supervisor.scoreboard import Header, Scoreboard
from supervisor.settings import Settings
from supervisor.system.notify import NOBODY, Notifier
from tests.support.notified import Listener, listening
from tests.support.waiting import until

SILENCE = 0.2
BEATS = (Header.MASTER_BEAT_NS, Header.BROKER_BEAT_NS)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Listener]:
    with listening(tmp_path / "line") as listener:
        yield listener


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    """One that this process owns."""
    made = Directory(tmp_path / "sv")
    made.prepare()
    owners.join(made.owners, Spec(Settings()))
    yield made
    owners.leave(made.owners)


@pytest.fixture
def feeder(systemd: Listener, board: Scoreboard, directory: Directory) -> WatchdogFeeder:
    return WatchdogFeeder(Notifier(systemd.address, 30_000), directory, board, SILENCE)


def turn(feeder: WatchdogFeeder, board: Scoreboard, *beats: Header) -> Callable[[], bool]:
    """A look after which this much time has passed; ``beats`` are those that give signs of life."""
    end = time.monotonic() + 3 * SILENCE

    def turned() -> bool:
        for beat in beats:
            board.put(beat, time.monotonic_ns())
        feeder.look()
        return time.monotonic() > end

    return turned


def test_it_is_fed_while_the_loops_of_master_and_broker_turn(
    feeder: WatchdogFeeder, board: Scoreboard, systemd: Listener
) -> None:
    until(turn(feeder, board, *BEATS), "a while")
    assert systemd.hear("WATCHDOG").pid == os.getpid()
    assert not systemd.falls_silent("WATCHDOG", SILENCE)


@pytest.mark.parametrize("silent", BEATS, ids=["master", "broker"])
def test_it_is_not_fed_while_one_of_them_is_silent_and_is_again_once_it_is_not(
    feeder: WatchdogFeeder, board: Scoreboard, systemd: Listener, silent: Header
) -> None:
    others = [beat for beat in BEATS if beat is not silent]
    until(turn(feeder, board, *BEATS), "a while")
    until(turn(feeder, board, *others), "it to be silent for too long")
    systemd.hear("WATCHDOG")
    until(lambda: systemd.falls_silent("WATCHDOG", 0.01), "the end of what had been said")
    until(turn(feeder, board, *others), "a while")
    assert systemd.falls_silent("WATCHDOG", 0.01)
    until(turn(feeder, board, *BEATS), "a while")
    systemd.hear("WATCHDOG", timeout=1.0)


def test_nobody_is_fed_where_there_is_no_watchdog_or_no_owner(
    board: Scoreboard, directory: Directory, systemd: Listener
) -> None:
    until(turn(WatchdogFeeder(NOBODY, directory, board, SILENCE), board, *BEATS), "a while")
    owners.leave(directory.owners)
    feeder = WatchdogFeeder(Notifier(systemd.address, 30_000), directory, board, SILENCE)
    until(turn(feeder, board, *BEATS), "a while")
    assert systemd.falls_silent("WATCHDOG", 0.01)
