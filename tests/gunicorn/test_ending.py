"""When Gunicorn ends, in any way, so does the whole tree; and nothing that was accepted is lost by it."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from supervisor.system import proc
from tests.gunicorn.conftest import MakeServer
from tests.support.gunicorns import both_releases
from tests.support.server import UVICORN, Server
from tests.support.waiting import until

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]
WEB = "tests.support.web_tasks"


def running(server: Server, task: str, *args: object) -> str:
    """Submit a task and wait until it runs; its id."""
    task_id = server.submit(task, *args)
    until(lambda: server.get("/record", id=task_id)["state"] == "running", "a running task")
    return task_id


@both_releases
@pytest.mark.parametrize("signum", SIGNALS, ids=[signum.name for signum in SIGNALS])
def test_what_runs_ends_in_good_order_what_waits_is_kept_and_both_are_there_after_a_start(
    make_server: MakeServer, tmp_path: Path, signum: signal.Signals
) -> None:
    server, flag, notes = make_server().start(), tmp_path / "flag", tmp_path / "notes"
    ended = server.submit("add", 1, 2)
    assert server.result(ended) == 3
    runs = running(server, "wait_for_file", str(flag))
    waits = [server.submit("note", str(notes), f"{number}\n") for number in range(3)]
    server.send(signum)
    until(lambda: server.says("draining: running tasks have 30 s"), "the drain")
    assert server.lives(), "on_exit blocks until the tree has drained"
    flag.touch()
    assert server.wait_end() == 0
    server.wait_gone()
    assert not notes.exists()
    server.start()
    assert server.result(ended) == 3
    assert server.get("/record", id=runs)["result"] == "seen"
    for task_id in waits:
        assert server.result(task_id) > 0
    assert notes.read_text() == "0\n1\n2\n"


@both_releases
def test_a_second_signal_ends_at_once_and_what_ran_is_put_back_uncounted(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server, flag = make_server().start(), tmp_path / "flag"
    task_id = running(server, "wait_for_file", str(flag), 600)
    server.send(signal.SIGTERM)
    until(lambda: server.says("draining"), "the drain")
    begun = time.monotonic()
    server.send(signal.SIGTERM)
    assert server.wait_end() == 0
    assert time.monotonic() - begun < 10
    server.wait_gone()
    flag.touch()
    server.start()
    assert server.result(task_id) == "seen"
    assert server.get("/record", id=task_id)["attempt"] == 1


def test_what_still_runs_when_the_grace_is_over_is_put_back_uncounted(make_server: MakeServer, tmp_path: Path) -> None:
    server, flag = make_server(grace="500ms").start(), tmp_path / "flag"
    task_id = running(server, "wait_for_file", str(flag), 600)
    assert server.stop() == 0
    flag.touch()
    server.start()
    assert server.result(task_id) == "seen"
    assert server.get("/record", id=task_id)["attempt"] == 1


@pytest.mark.parametrize(
    "worker_class", ["sync", "gthread", UVICORN, "gevent"], ids=["sync", "gthread", "uvicorn", "gevent"]
)
def test_after_sigkill_of_the_arbiter_everything_is_gone_within_five_seconds(
    make_server: MakeServer, tmp_path: Path, worker_class: str
) -> None:
    server = make_server(worker_class=worker_class).start()
    running(server, "sleep", 600, str(tmp_path / "pid"))
    web = server.web_worker_pids()
    begun = time.monotonic()
    server.send(signal.SIGKILL)
    until(lambda: not any(proc.command(pid) for pid in web), "the end of the web workers", 2.0)
    until(server.port_is_free, "a free port", 2.0)
    server.wait_gone(10.0)
    assert time.monotonic() - begun < 5 + 2, "five seconds, and two more for a machine that is busy"
    assert server.says("draining: running tasks have 3 s")


def leave_behind(server: Server, notes: Path, flag: Path) -> tuple[int, str, str]:
    """Start it, and kill it with a task that runs until there is a flag, and one that waits; the master, and both."""
    server.start()
    runs = running(server, "wait_for_file", str(flag), 600)
    waits = server.submit("note", str(notes))
    old = server.pid_of("master")
    server.send(signal.SIGKILL)
    server.wait_end()
    return old, runs, waits


@both_releases
def test_a_start_right_after_sigkill_takes_the_tree_over_and_nothing_that_runs_is_stopped(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server, notes, flag = make_server(grace="60s", orphan_grace="50s"), tmp_path / "notes", tmp_path / "flag"
    old, runs, waits = leave_behind(server, notes, flag)
    until(lambda: server.says("draining: running tasks have 50 s"), "the drain")
    server.start()
    assert server.pid_of("master") == old
    later = server.submit("add", 2, 2)
    assert server.result(later) == 4
    assert server.result(waits) > 0
    flag.touch()
    assert server.result(runs) == "seen"
    assert server.get("/record", id=runs)["attempt"] == 1
    assert notes.read_text() == "ran\n"
    assert server.says("which died")
    server.send(signal.SIGTERM)
    assert server.wait_end() == 0, "its end is that of the tree that it took over"
    server.wait_gone()


@both_releases
@pytest.mark.parametrize("changed", ["environment", "settings"])
def test_a_start_with_other_settings_right_after_sigkill_does_not_wait_for_the_old_tree(
    make_server: MakeServer, tmp_path: Path, changed: str
) -> None:
    server, notes, flag = make_server(grace="60s", orphan_grace="50s"), tmp_path / "notes", tmp_path / "flag"
    old, runs, waits = leave_behind(server, notes, flag)
    if changed == "environment":
        server.environment["PASSWORD_OF_THE_DATABASE"] = "another"
    else:
        server.settings["max_tasks"] = 1000
    server.start(wait=False)
    server.wait_answer()
    assert proc.command(old), "the old tree still drains"
    later = server.submit("add", 2, 2)
    flag.touch()
    until(lambda: (server.status() or {"master": old})["master"] != old, "another master", 20.0)
    assert server.result(runs) == "seen"
    assert server.result(waits) > 0
    assert server.result(later) == 4
    assert notes.read_text() == "ran\n"
    assert sum("supervisor: guardian" in title for title in server.titles()) == 1
    assert sum("supervisor: master" in title for title in server.titles()) == 1


def test_a_gunicorn_that_is_killed_while_it_drains_leaves_no_tree_that_drains_for_long(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(grace="600s", orphan_grace="500ms").start()
    running(server, "sleep", 600, str(tmp_path / "pid"))
    server.send(signal.SIGTERM)
    until(lambda: server.says("draining: running tasks have 600 s"), "the drain")
    server.send(signal.SIGKILL)
    server.wait_gone(20.0)


def test_a_start_while_the_old_gunicorn_still_drains_leaves_it_in_peace(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server, flag = make_server().start(), tmp_path / "flag"
    runs = running(server, "wait_for_file", str(flag), 600)
    first = server.process
    assert first is not None
    server.send(signal.SIGTERM)
    until(lambda: server.says("draining"), "the drain")
    server.start(wait=False)
    server.wait_answer()
    later = server.submit("add", 2, 2)
    flag.touch()
    assert first.wait(20) == 0
    assert server.result(later) == 4
    assert server.get("/record", id=runs)["result"] == "seen"
    assert server.get("/record", id=runs)["attempt"] == 1
    server.wait_ready()


@both_releases
def test_sigterm_to_every_process_at_once_as_systemd_sends_it_is_a_stop_in_good_order(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server, flag = make_server().start(), tmp_path / "flag"
    runs = running(server, "wait_for_file", str(flag))
    server.remember()
    everybody = [server.pid, *proc.descendants(server.pid)]
    for pid in everybody:
        server.send(signal.SIGTERM, pid)
    until(lambda: server.says("draining"), "the drain")
    flag.touch()
    assert server.wait_end() == 0
    server.wait_gone()
    server.start()
    record = server.get("/record", id=runs)
    assert (record["result"], record["attempt"]) == ("seen", 1)


@both_releases
def test_exit_codes_3_and_4_in_the_tree_never_reach_gunicorn_which_would_stop_for_them(
    make_server: MakeServer,
) -> None:
    server = make_server(crash_budget=1).start()
    for code in (3, 4):
        lost = server.submit("leave", code)
        until(lambda lost=lost: server.get("/record", id=lost)["state"] == "lost", "the end of it")  # type: ignore[misc]
    for role in ("guardian", "master", "broker", "template"):
        before = server.pid_of(role)
        server.send(signal.SIGKILL, before)
        until(lambda role=role, pid=before: server.pid_of(role) != pid, f"another {role}")  # type: ignore[misc]
    server.wait_ready()
    assert server.result(server.submit("add", 1, 1)) == 2
    assert server.lives()
    assert server.stop() == 0


@both_releases
def test_as_the_first_process_of_a_container_gunicorn_adopts_orphans_and_still_drains(
    make_server: MakeServer, tmp_path: Path
) -> None:
    container = ["unshare", "--pid", "--fork", "--mount-proc"]
    tried = subprocess.run([*container, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no container can be made here: {tried.stderr.strip()}")
    server, flag = make_server(crash_budget=1), tmp_path / "flag"
    server.wrap = container
    server.start()
    status = server.status()
    assert status is not None
    server.result(server.submit(f"{WEB}:kill", status["guardian"]))
    lost = server.submit(f"{WEB}:leave_daemon_that_exits", 3)
    until(lambda: server.get("/record", id=lost)["state"] == "lost", "the end of it")
    until(lambda: server.pid_of("guardian") != status["guardian"], "another guardian")
    runs = running(server, "wait_for_file", str(flag))
    (arbiter,) = proc.children(server.pid)
    server.send(signal.SIGTERM, arbiter)
    until(lambda: server.says("draining"), "the drain")
    flag.touch()
    assert server.wait_end() == 0
    server.wrap = []
    server.start()
    assert server.get("/record", id=runs)["result"] == "seen"


def test_a_gunicorn_that_cannot_make_its_directory_refuses_with_a_sentence(make_server: MakeServer) -> None:
    server = make_server(dir="/proc/no/such/place")
    server.start(wait=False)
    assert server.wait_end() == 1
    assert server.says("[ERROR]", "supervisor: ", "/proc/no"), server.tail()
    assert not server.says("Traceback")
