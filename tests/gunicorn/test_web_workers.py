"""Submitting from Gunicorn's web workers, of every class, preloaded or not, whatever becomes of them."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from supervisor import TaskQueue
from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError
from supervisor.system import lock, proc
from tests.gunicorn.conftest import MakeServer
from tests.support.gunicorns import both_releases
from tests.support.server import UVICORN, RefusedError, Server
from tests.support.waiting import until

CLASSES = ["sync", "gthread", UVICORN, "gevent"]
NAMES = ["sync", "gthread", "uvicorn", "gevent"]


@both_releases
@pytest.mark.parametrize("preload", [False, True], ids=["imported-in-each", "preloaded"])
@pytest.mark.parametrize("worker_class", CLASSES, ids=NAMES)
def test_a_web_worker_submits_a_task_and_gets_its_result(
    make_server: MakeServer, worker_class: str, preload: bool
) -> None:
    server = make_server(worker_class=worker_class, before=f"preload_app = {preload}").start()
    task_id = server.submit("add", 2, 3)
    assert server.result(task_id) == 5
    assert server.get("/record", id=task_id)["result"] == 5
    assert server.stop() == 0


@pytest.mark.parametrize("worker_class", CLASSES[1:], ids=NAMES[1:])
def test_a_wait_in_a_web_worker_holds_up_no_other_request_of_it(
    make_server: MakeServer, tmp_path: Path, worker_class: str
) -> None:
    server = make_server(worker_class=worker_class).start("-w", "1")
    flag = tmp_path / "flag"
    task_id = server.submit("wait_for_file", str(flag))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.result, task_id)
        until(lambda: server.queue.stats().waiting_calls == 1, "the wait to have reached the broker")
        other = server.submit("noop")
        assert server.get("/record", id=other)["state"] == "queued"
        assert not waiting.done()
        flag.touch()
        assert waiting.result(20) == "seen"


def test_twenty_requests_at_once_in_one_gevent_worker_get_their_own_results(make_server: MakeServer) -> None:
    server = make_server(worker_class="gevent").start("-w", "1")
    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(lambda number: server.submit("add", number, 0), range(20)))
        assert list(pool.map(server.result, ids)) == list(range(20))


@pytest.mark.parametrize("worker_class", ["sync", UVICORN], ids=["sync", "uvicorn"])
def test_a_child_that_a_web_worker_forks_has_the_queue_too(make_server: MakeServer, worker_class: str) -> None:
    server = make_server(worker_class=worker_class).start()
    told = server.get("/fork", task="add", args="[4, 5]")
    assert told["result"] == 9
    assert told["pid"] not in server.web_worker_pids()


def test_a_web_worker_killed_with_9_does_not_matter(server: Server, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    task_id = server.submit("wait_for_file", str(flag))
    before, master = server.web_worker_pids(), server.pid_of("master")
    for pid in before:
        server.send(signal.SIGKILL, pid)
    until(lambda: len(set(server.web_worker_pids()) - set(before)) == 2, "two new web workers")
    flag.touch()
    assert server.result(task_id) == "seen"
    assert server.result(server.submit("add", 1, 1)) == 2
    assert server.pid_of("master") == master


def test_more_and_fewer_web_workers_leave_the_task_workers_alone(server: Server) -> None:
    workers = server.task_worker_pids()
    server.send(signal.SIGTTIN)
    until(lambda: len(server.web_worker_pids()) == 3, "a third web worker")
    assert server.result(server.submit("add", 1, 2)) == 3
    for left in (2, 1):
        server.send(signal.SIGTTOU)
        until(lambda left=left: len(server.web_worker_pids()) == left, "a web worker less")  # type: ignore[misc]
    assert server.result(server.submit("add", 3, 4)) == 7
    assert server.task_worker_pids() == workers


def test_a_supervisor_of_which_guardian_and_master_were_killed_at_once_comes_back_with_the_next_call_from_the_web(
    server: Server,
) -> None:
    cpus = server.result(server.submit("tests.support.web_tasks:cpus"))
    master, broker = server.pid_of("master"), proc.identity(server.pid_of("broker"))
    guardian = server.pid_of("guardian")
    server.send(signal.SIGSTOP, master)  # lest it starts another guardian in between
    for pid in (guardian, master):
        server.send(signal.SIGKILL, pid)
    assert broker is not None
    until(lambda: not proc.is_alive(broker), "the broker's end: it could still answer the call that is to revive it")
    with pytest.raises(QueueUnavailableError):
        TaskQueue(server.dir, timeout=1.0).state("0" * 32)
    assert lock.holder(Directory(server.dir).guardian_lock) is None, "no client from elsewhere may start it"

    def answered() -> bool:
        with suppress(RefusedError):  # a busy machine may take longer than a call waits
            return server.get("/record", id="0" * 32) is None
        return False

    until(answered, "an answer", 30.0)
    server.wait_ready()
    assert server.pid_of("master") != master
    assert server.result(server.submit("tests.support.web_tasks:cpus")) == cpus, (
        "it was started by a web worker, and took over its CPUs"
    )
