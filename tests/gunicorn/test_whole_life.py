"""A whole life of Gunicorn with a supervisor, for each kind of web worker, preloaded or not: all that can be done to an
arbiter, one after the other.

The cells run by default are the corners: the oldest and the newest release with gevent and uvicorn workers. All kinds
of web workers are run with `scripts/test -m slow tests/gunicorn`, and with each release by `scripts/matrix`.
"""

from __future__ import annotations

import http.client
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.gunicorn.conftest import MakeServer
from tests.gunicorn.test_reloading import TASKS, held_by, new_version, until_as_few
from tests.support.gunicorns import both_releases
from tests.support.server import UVICORN, Server
from tests.support.waiting import until

HUPS = int(os.environ.get("MATRIX_HUPS", "5"))
CELLS = [(kind, preload) for kind in ("sync", "gthread", "gevent", UVICORN) for preload in (False, True)]
CORNERS = [("gevent", False), (UVICORN, True)]
_GONE_SECONDS = 5.0
_HOOKS = """
preload_app = {preload}
def when_ready(server): open({path!r}, "a").write("when_ready\\n")
def post_fork(server, worker): open({path!r}, "a").write("post_fork\\n")
def on_exit(server): open({path!r}, "a").write("on_exit\\n")
"""


def named(cell: tuple[str, bool]) -> str:
    kind, preload = cell
    return f"{kind.rpartition('.')[2]}{'-preloaded' if preload else ''}"


@pytest.fixture
def life(make_server: MakeServer, tmp_path: Path, cell: tuple[str, bool]) -> Server:
    kind, preload = cell
    hooks = tmp_path / "hooks"
    server = make_server(worker_class=kind, tasks=TASKS, before=_HOOKS.format(preload=preload, path=str(hooks)))
    new_version(server, 1)
    return server.start()


def live(server: Server, folder: Path) -> None:
    """Everything, one after the other."""
    master = server.pid_of("master")
    reload_often(server, folder / "flag")
    keep_the_old_where_the_new_is_broken(server)
    more_and_fewer(server)
    back_out_of_an_upgrade(server)
    upgrade(server)
    assert server.pid_of("master") == master, "all of it with the same supervisor"
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        end_with(server, signum)
    said = (folder / "hooks").read_text().split()
    assert said.count("when_ready") == 1 + 1 + 1 + 3, "at the first start, each upgrade, and each start after an end"
    assert said.count("post_fork") >= 2 * (HUPS + 8)
    assert said.count("on_exit") == 5, "but not by SIGKILL"


def reload_often(server: Server, flag: Path) -> None:
    """A task runs across all of it, and is what it was; descriptors and threads do not grow."""
    runs = server.submit("jobs:wait_and_tell", str(flag))
    until(lambda: server.get("/record", id=runs)["state"] == "running", "a running task")
    counts: list[tuple[int, int]] = []
    for generation in range(2, HUPS + 2):
        new_version(server, generation)
        server.send(signal.SIGHUP)
        until(lambda: server.says(f"generation {generation} of the application is imported"), "new code", 30.0)  # noqa: B023
        until(lambda: len(server.web_worker_pids()) == 2, "the old web workers to have left", 30.0)
        counts.append(held_by(server.pid))
    until_as_few(server.pid, counts)
    flag.touch()
    assert server.result(runs) == 1
    server.wait_ready(HUPS + 1)
    until(lambda: _code(server) == HUPS + 1, "web workers with the new code", 30.0)


def keep_the_old_where_the_new_is_broken(server: Server) -> None:
    server.settings["tasks"] = (*TASKS, "more_jobs")
    server.write_config()
    server.write("more_jobs.py", "this is no Python")
    server.send(signal.SIGHUP)
    until(lambda: server.says("the application cannot be imported"), "a complaint", 30.0)
    server.wait_answer()
    until(lambda: _code(server) == HUPS + 1, "the old code", 30.0)
    server.write("more_jobs.py", "")
    new_version(server, 50)
    server.send(signal.SIGHUP)
    until(lambda: _code(server) == 50, "code that can be", 30.0)


def more_and_fewer(server: Server) -> None:
    until(lambda: len(server.task_worker_pids()) == 1, "the old task worker to have left", 30.0)
    workers = server.task_worker_pids()
    server.send(signal.SIGTTIN)
    until(lambda: len(server.web_worker_pids()) == 3, "one more web worker", 30.0)
    server.send(signal.SIGTTOU)
    until(lambda: len(server.web_worker_pids()) == 2, "one fewer", 30.0)
    assert server.task_worker_pids() == workers


def back_out_of_an_upgrade(server: Server) -> None:
    new_version(server, 60)
    server.upgrade()
    until(lambda: _code(server) == 60, "the new arbiter's code", 30.0)
    new_version(server, 50)
    server.send(signal.SIGQUIT)
    until(lambda: not server.lives(), "the end of the new arbiter", 20.0)
    server.arbiters.pop()
    until(lambda: _code(server) == 50, "the old code", 30.0)


def upgrade(server: Server) -> None:
    new_version(server, 70)
    old, _ = server.pid, server.upgrade()
    until(lambda: _code(server) == 70, "the new arbiter's code", 30.0)
    server.send(signal.SIGQUIT, old)
    server.wait_end()
    until(lambda: _code(server) == 70, "the same code", 30.0)


def _code(server: Server) -> int:
    """The version of the code that runs tasks now, whichever arbiter's web workers are asked; 0 where the one that was
    asked left over it, and Gunicorn hung up.
    """
    with suppress(OSError, http.client.HTTPException):
        found: int = server.result(server.submit("jobs:version"))
        return found
    return 0


def end_with(server: Server, signum: signal.Signals) -> None:
    """Nothing is left five seconds after its end, and another may listen there at once."""
    server.send(signum)
    until(lambda: not server.lives(), f"the end by {signum.name}", 30.0)
    began = time.monotonic()
    server.wait_gone(20.0)
    assert time.monotonic() - began < _GONE_SECONDS
    assert server.port_is_free()
    if signum != signal.SIGKILL:
        server.start()
        assert server.result(server.submit("jobs:version")) == 70


@both_releases
@pytest.mark.timeout(200 + 20 * HUPS)
@pytest.mark.parametrize("cell", CORNERS, ids=named)
def test_the_corners_of_the_matrix(life: Server, tmp_path: Path) -> None:
    live(life, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(200 + 20 * HUPS)
@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_every_kind_of_web_worker(life: Server, tmp_path: Path) -> None:
    live(life, tmp_path)
