"""New code: HUP, --reload, and what happens to the tasks of the old."""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.gunicorn.conftest import MakeServer
from tests.support.gunicorns import both_releases
from tests.support.server import Server
from tests.support.tasks import note
from tests.support.ticks import slots
from tests.support.waiting import until

_JOBS = """
from supervisor import task
from tests.support.tasks import note, wait_for_file
@task
def version(): return {version}
@task
def wait_and_tell(path):
    wait_for_file(path, 250.0)
    return {version}
"""
TASKS = ("tests.support.tasks", "tests.support.web_tasks", "jobs")


@pytest.fixture
def deploy(make_server: MakeServer) -> Callable[..., Server]:
    """Makes a server whose tasks have a version, not started yet."""

    def make(**options: object) -> Server:
        server = make_server(tasks=TASKS, **options)
        server.write("jobs.py", _JOBS.format(version=1))
        return server

    return make


def new_version(server: Server, version: int) -> None:
    """Put new code in place."""
    server.write("jobs.py", _JOBS.format(version=version))


@both_releases
def test_at_a_hup_a_task_that_runs_finishes_as_what_it_was_and_the_next_is_new(
    deploy: Callable[..., Server], tmp_path: Path
) -> None:
    server = deploy().start()
    flag = tmp_path / "flag"
    running = server.submit("jobs:wait_and_tell", str(flag))
    until(lambda: server.get("/record", id=running)["state"] == "running", "a running task")
    before = server.web_worker_pids()
    new_version(server, 2)
    server.send(signal.SIGHUP)
    until(lambda: server.says("generation 2 of the application is imported"), "new code")
    until(lambda: not set(before) & set(server.web_worker_pids()), "new web workers")
    later = server.submit("jobs:version")
    flag.touch()
    assert server.result(running) == 1
    assert server.result(later) == 2


def test_five_hups_leave_the_arbiter_with_as_many_descriptors_and_threads_as_one(
    deploy: Callable[..., Server], tmp_path: Path
) -> None:
    server = deploy(before="control_socket_disable = False; control_socket = './gunicorn.ctl'").start()
    notes = tmp_path / "notes"
    counts: list[tuple[int, int]] = []
    for generation in range(2, 7):
        new_version(server, generation)
        server.queue.submit_many(note, [(str(notes), f"{generation}-{number}\n") for number in range(20)])
        server.send(signal.SIGHUP)
        server.wait_ready(generation)
        until(lambda: len(server.web_worker_pids()) == 2, "the old web workers to have left")
        assert server.result(server.submit("jobs:version")) == generation
        counts.append(held_by(server.pid))
    until(lambda: server.queue.stats().unfinished == {}, "every task to be done")
    assert sorted(notes.read_text().split()) == sorted(f"{g}-{n}" for g in range(2, 7) for n in range(20))
    until_as_few(server.pid, counts)


def held_by(pid: int) -> tuple[int, int]:
    """How many descriptors and threads a process has, once they were the same twice in a row."""
    seen = [(0, 0)]

    def same() -> bool:
        seen.append((len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))))
        return seen[-1] == seen[-2]

    until(same, "the same count twice", pause=0.1)
    return seen[-1]


def until_as_few(pid: int, counts: list[tuple[int, int]]) -> None:
    """Until a process holds no more than it ever did. (An arbiter has a file open for each web worker until it has
    looked after it, which may be a second after that has ended.)
    """
    until(lambda: held_by(pid) == min(counts), f"as few descriptors and threads as there were: {counts}")


@both_releases
def test_code_that_cannot_be_imported_leaves_the_old_running_also_for_what_is_submitted_later(
    deploy: Callable[..., Server],
) -> None:
    server = deploy().start()
    server.settings["tasks"] = (*TASKS, "more_jobs")
    server.write_config()
    new_version(server, 2)
    server.write("more_jobs.py", "raise RuntimeError('not today')\n")
    before = server.web_worker_pids()
    server.send(signal.SIGHUP)
    until(lambda: server.says("[ERROR]", "cannot be imported", "the old code goes on"), "a refusal")
    until(lambda: not set(before) & set(server.web_worker_pids()), "new web workers")
    assert server.says("RuntimeError: not today")
    assert server.result(server.submit("jobs:version")) == 1
    server.write("more_jobs.py", "")
    server.send(signal.SIGHUP)
    server.wait_ready(generation=3)
    assert server.result(server.submit("jobs:version")) == 2


@both_releases
def test_reload_notices_that_the_code_of_the_tasks_has_changed(deploy: Callable[..., Server]) -> None:
    server = deploy().start("--reload")
    assert server.result(server.submit("jobs:version")) == 1
    new_version(server, 2)
    server.wait_ready(generation=2)

    def told() -> int:
        with suppress(OSError, http.client.HTTPException):  # Gunicorn's reloader ends a web worker in mid-request
            return int(server.result(server.submit("jobs:version")))
        return 0

    until(lambda: told() == 2, "new code")


def test_tasks_queued_after_many_hups_outlive_the_death_of_the_master(deploy: Callable[..., Server]) -> None:
    server = deploy().start()
    for generation in (2, 3):
        server.send(signal.SIGHUP)
        server.wait_ready(generation)
    master = server.pid_of("master")
    server.send(signal.SIGKILL, master)
    until(lambda: (server.status() or {"master": master})["master"] != master, "another master")
    assert server.result(server.submit("jobs:version")) == 1


def test_tasks_queued_after_many_hups_run_after_a_restart(deploy: Callable[..., Server], tmp_path: Path) -> None:
    server = deploy().start()
    for generation in (2, 3):
        server.send(signal.SIGHUP)
        server.wait_ready(generation)
    until(lambda: len(server.web_worker_pids()) == 2, "the old web workers to have left")
    blocker = server.submit("wait_for_file", str(tmp_path / "flag"))
    queued = server.submit("jobs:version")
    server.send(signal.SIGTERM)
    until(lambda: server.says("draining"), "the drain")
    (tmp_path / "flag").touch()
    assert server.wait_end() == 0
    server.start()
    assert server.result(blocker) == "seen"
    assert server.result(queued) == 1


_TIMETABLE = """
from supervisor import schedule
from tests.support.ticks import tick
for name, options in {names!r}.items():
    schedule.add(tick, [{folder!r} + "/" + name], name=name, **options)
"""


def test_at_a_hup_schedules_change_with_the_code_and_unchanged_ones_keep_their_slots(
    make_server: MakeServer, tmp_path: Path
) -> None:
    quick = {"every": 0.25, "misfire": "all"}
    server = make_server(tasks=("timetable", "tests.support.ticks"))

    def declare(end: str = "", **names: object) -> None:
        server.write("timetable.py", _TIMETABLE.format(names=names, folder=str(tmp_path)) + end)

    def fired(name: str, count: int = 0) -> bool:
        return len(slots(tmp_path / name)) > count

    declare(kept=quick, changed={"every": "1h"}, dropped=quick, paused=quick)
    server.start()
    until(lambda: fired("kept") and fired("dropped"), "the first firings", 30.0)
    server.queue.pause_schedule("paused")

    declare(kept=quick, changed=quick, new=quick)
    server.send(signal.SIGHUP)
    server.wait_ready(generation=2)
    assert [each.name for each in server.queue.schedules()] == ["changed", "kept", "new"]
    changed, count = time.time(), len(slots(tmp_path / "kept"))
    until(lambda: fired("new", 1) and fired("changed", 1) and fired("kept", count), "new firings", 30.0)
    assert slots(tmp_path / "dropped")[-1] <= changed * 1000

    declare("raise RuntimeError('not today')", kept={"every": "2h"}, broken=quick)
    server.send(signal.SIGHUP)
    until(lambda: server.says("[ERROR]", "cannot be imported", "the old code goes on"), "a refusal", 30.0)
    counts = {name: len(slots(tmp_path / name)) for name in ("kept", "changed", "new")}
    until(lambda: all(fired(name, count) for name, count in counts.items()), "the old ones to go on", 30.0)
    assert [each.name for each in server.queue.schedules()] == ["changed", "kept", "new"]

    declare(kept=quick, paused=quick)
    server.send(signal.SIGHUP)
    server.wait_ready(generation=4)
    assert [(each.name, each.paused) for each in server.queue.schedules()] == [("kept", False), ("paused", True)]
    server.queue.pause_schedule("kept")
    until(lambda: not server.queue.stats().unfinished, "what it has submitted")
    found = slots(tmp_path / "kept")
    assert {after - before for before, after in pairwise(found)} == {250}, "none is missing, none came between"
    assert not fired("broken")
