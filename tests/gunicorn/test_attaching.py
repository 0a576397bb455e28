"""What attach does to a config file, and what of it counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.system import proc
from tests.conftest import MakeTree
from tests.gunicorn.conftest import MakeServer
from tests.support.gunicorns import both_releases
from tests.support.server import REPOSITORY, RefusedError, Server
from tests.support.waiting import until

_HOOKS = """
import builtins, os
def note(name):
    with builtins.open({path!r}, "a") as file:
        file.write(name + "\\n")
def on_starting(server): note("on_starting")
def when_ready(server): note("when_ready")
def on_reload(server): note("on_reload")
def post_fork(server, worker): note("post_fork")
def post_worker_init(worker): note("post_worker_init")
def on_exit(server): note("on_exit, supervisor " + ("there" if os.path.exists({control!r}) else "gone"))
def child_exit(server, worker): note("child_exit")
"""


@both_releases
def test_hooks_that_the_file_defined_before_are_run_too_and_first(make_server: MakeServer) -> None:
    server = make_server()
    path = server.folder / "hooks.txt"
    server.before = _HOOKS.format(path=str(path), control=str(server.dir / "control.sock"))
    server.start()
    server.send(signal.SIGHUP)
    server.wait_ready(generation=2)
    assert server.stop() == 0
    noted = path.read_text().split("\n")
    assert noted[:2] == ["on_starting", "when_ready"]
    assert noted.count("post_fork") == noted.count("post_worker_init") == 4
    assert noted.count("on_reload") == 1
    assert noted.count("on_exit, supervisor there") == 1
    assert "child_exit" in noted


def test_a_hook_may_be_named_as_gunicorn_allows_by_its_import_path(make_server: MakeServer) -> None:
    server = make_server()
    server.write("my_hooks.py", f"def when_ready(server): open({str(server.folder / 'ran')!r}, 'w').close()\n")
    server.before = "import sys; sys.path.insert(0, '.'); when_ready = 'my_hooks.when_ready'"
    server.start()
    assert (server.folder / "ran").exists()
    assert server.result(server.submit("add", 1, 1)) == 2


def test_hooks_that_the_file_defines_after_attach_are_complained_of_loudly(make_server: MakeServer) -> None:
    server = make_server()
    server.after = "def post_fork(server, worker): pass\ndef on_exit(server): pass\ndef on_starting(server): pass\n"
    server.start()
    for name in ("post_fork", "on_exit", "on_starting"):
        assert server.says("[ERROR]", f"defines {name} after attach(...)", "call attach last"), server.tail()
    assert not server.says("defines when_ready after")


def test_an_overwritten_when_ready_is_complained_of_though_it_keeps_the_supervisor_from_starting(
    make_server: MakeServer,
) -> None:
    server = make_server()
    server.after = "def when_ready(server): pass\n"
    server.start(wait=False)
    server.wait_answer()
    assert server.says("[ERROR]", "defines when_ready after attach(...)"), server.tail()
    assert not server.dir.exists()


def test_attaching_twice_is_attaching_once(make_server: MakeServer) -> None:
    server = make_server()
    path = server.folder / "hooks.txt"
    server.before = _HOOKS.format(path=str(path), control="/nowhere")
    server.after = "attach(globals(), **{'dir': '/nowhere', **" + repr(server.settings) + "})\n"
    server.start()
    assert server.result(server.submit("add", 1, 1)) == 2
    assert path.read_text().split().count("when_ready") == 1
    assert sum("supervisor: guardian" in title for title in server.titles()) == 1


@both_releases
def test_checking_the_config_leaves_no_trace(make_server: MakeServer) -> None:
    server = make_server()
    server.write_config()
    before = set(os.listdir(server.folder))
    assert server.run("--check-config").wait(30) == 0
    assert set(os.listdir(server.folder)) - before == {"log.txt"}
    assert server.tail() == ""


def test_what_the_command_line_says_governs_workers_and_titles(make_server: MakeServer) -> None:
    server = make_server()
    server.start("-w", "3", "--name", f"shop-{server.name}")
    assert len(server.web_worker_pids()) == 3
    roles = [title for title in server.titles() if f"shop-{server.name} supervisor: " in title]
    assert {title.split("supervisor: ")[1].split()[0].rstrip(",") for title in roles} == {
        "guardian",
        "master",
        "broker",
        "template",
        "worker",
    }


def test_what_the_supervisor_says_stands_in_gunicorns_error_log_also_after_that_was_rotated(
    make_server: MakeServer,
) -> None:
    server = make_server()
    server.start("--error-logfile", "errors.txt")
    errors = server.folder / "errors.txt"
    assert "supervisor master: ready to take tasks" in errors.read_text()
    errors.rename(server.folder / "errors.txt.1")
    server.send(signal.SIGUSR1)
    lost = server.submit("kill_myself", 9)
    until(lambda: errors.exists() and "was killed by SIGKILL" in errors.read_text(), "a line in the new file")
    server.queue.cancel(lost)
    assert "supervisor " not in server.tail()


def test_the_title_of_a_task_worker_says_what_it_does(server: Server, tmp_path: Path) -> None:
    (pid,) = server.task_worker_pids()
    title = f"{server.name} supervisor: worker 0"
    until(lambda: proc.command(pid) == f"{title} idle", "a worker that says it is idle")
    task_id = server.submit("wait_for_file", str(tmp_path / "flag"))
    until(lambda: proc.command(pid) == f"{title} runs tests.support.tasks.wait_for_file", "what it runs")
    (tmp_path / "flag").touch()
    assert server.result(task_id) == "seen"
    assert server.result(server.submit("add", 1, 1)) == 2
    until(lambda: proc.command(pid) == f"{title} idle", "a worker that is idle again")


def test_web_workers_and_task_workers_have_cpus_of_their_own(server: Server) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one CPU")
    web, tasks = server.get("/who")["cpus"], server.result(server.submit("tests.support.web_tasks:cpus"))
    assert web
    assert len(tasks) == 1
    assert not set(web) & set(tasks)
    assert set(web) | set(tasks) == os.sched_getaffinity(0)


def test_a_web_worker_that_hangs_longer_than_the_command_lines_timeout_is_replaced_and_its_task_goes_on(
    make_server: MakeServer,
) -> None:
    server = make_server().start("-t", "2")
    flag = server.folder / "flag"
    task_id = server.submit("wait_for_file", str(flag))
    with pytest.raises((ConnectionError, RefusedError)):
        server.result(task_id)  # waits in the web worker until that is killed
    assert server.says("WORKER TIMEOUT")
    flag.touch()
    assert server.result(task_id) == "seen"


def test_the_environment_makes_it_a_client_of_a_supervisor_that_runs_elsewhere(
    make_server: MakeServer, make_tree: MakeTree
) -> None:
    tree = make_tree()
    server = make_server()
    server.environment = {"SUPERVISOR_WORKERS": "0", "SUPERVISOR_DIR": str(tree.dir)}
    server.start(wait=False)
    server.wait_answer()
    assert server.get("/who")["dir"] == str(tree.dir)
    assert server.result(server.submit("add", 20, 22)) == 42
    assert tree.queue.stats().ended == {"succeeded": 1}
    assert not any("supervisor: " in title for title in server.titles())
    assert server.stop() == 0
    status = tree.status()
    assert status is not None
    assert not status["draining"]


def test_a_client_without_a_supervisor_starts_and_says_that_none_answers(make_server: MakeServer) -> None:
    server = make_server(workers=0)
    server.start(wait=False)
    server.wait_answer()
    with pytest.raises(RefusedError, match=r"503 .*does not answer: its key cannot be read"):
        server.submit("add", 1, 1)


@both_releases
def test_a_second_gunicorn_on_the_same_directory_refuses_with_a_sentence(make_server: MakeServer) -> None:
    first = make_server().start()
    second = make_server(name="second", dir=str(first.dir))
    second.start(wait=False)
    assert second.wait_end() == 1
    assert second.says("[ERROR]", str(first.dir), "a supervisor already runs on", f"process {first.pid}"), second.tail()
    assert first.result(first.submit("add", 1, 1)) == 2
    assert not first.says("draining")


def test_of_two_that_start_at_the_same_moment_one_refuses(make_server: MakeServer, tmp_path: Path) -> None:
    servers = [make_server(name=name, dir=tmp_path / "shared") for name in ("first", "second")]
    for server in servers:
        server.start(wait=False)
    ended = until(lambda: [each for each in servers if each.process and each.process.poll() is not None], "a refusal")
    (winner,) = [server for server in servers if server not in ended]
    assert ended[0].wait_end() == 1
    assert ended[0].says("a supervisor already runs on"), ended[0].tail()
    winner.wait_ready()
    assert winner.result(winner.submit("add", 1, 1)) == 2
    assert sum("supervisor: guardian" in title for title in winner.titles()) == 1


def test_a_faulty_setting_stops_the_start_with_a_sentence(make_server: MakeServer) -> None:
    server = make_server()
    server.environment = {"SUPERVISOR_WORKERS": "many"}
    server.start(wait=False)
    assert server.wait_end() == 1
    assert server.says("[ERROR]", "workers must be", "SUPERVISOR_WORKERS says 'many'"), server.tail()
    assert not server.dir.exists()


def test_a_warning_about_settings_is_given_once_and_not_by_every_web_worker(make_server: MakeServer) -> None:
    server = make_server()
    server.environment = {"SUPERVISOR_WORKRES": "3"}
    server.start()
    assert sum("SUPERVISOR_WORKRES" in line for line in server.lines()) == 1, server.tail()


def test_a_faulty_setting_at_a_hup_leaves_everything_as_it_was(server: Server) -> None:
    server.settings["workers"] = "many"
    server.write_config()
    server.send(signal.SIGHUP)
    until(lambda: server.says("[ERROR]", "workers must be"), "a sentence")
    assert server.result(server.submit("add", 1, 1)) == 2
    assert server.lives()


def test_a_hup_brings_new_settings(server: Server) -> None:
    server.settings["workers"] = 2
    server.write_config()
    server.send(signal.SIGHUP)
    status = server.wait_ready(generation=2)
    assert status["wanted"] == 2


def test_tasks_that_cannot_be_imported_at_the_first_start_leave_gunicorn_up_and_run_once_they_can(
    make_server: MakeServer,
) -> None:
    server = make_server(tasks=("tests.support.tasks", "jobs"))
    server.write("jobs.py", "import no_such_module\n")
    server.start(wait=False)
    server.wait_answer()
    task_id = server.submit("add", 1, 2)
    status = until(lambda: (found := server.status()) and found["template"]["error"] and found, "the reason")
    assert status
    assert "no_such_module" in status["template"]["error"]
    server.write("jobs.py", "")
    server.wait_ready()
    assert server.result(task_id) == 3


def test_chdir_and_pythonpath_of_the_command_line_hold_for_the_tasks(make_server: MakeServer) -> None:
    server = make_server(tasks=("tests.support.tasks", "jobs", "more_jobs"))
    for name, module in (("here", "jobs"), ("there", "more_jobs")):
        folder = server.folder / name
        folder.mkdir()
        (folder / f"{module}.py").write_text(f"from supervisor import task\n@task\ndef where(): return {name!r}\n")
    paths = f"{REPOSITORY},{server.folder / 'there'}"
    server.start("--chdir", str(server.folder / "here"), "--pythonpath", paths)
    assert server.result(server.submit("jobs:where")) == "here"
    assert server.result(server.submit("more_jobs:where")) == "there"


def test_attaching_brings_nothing_into_the_arbiter_that_gevent_must_patch_first() -> None:
    program = "import sys, supervisor.gunicorn; print([name for name in sys.argv[1:] if name in sys.modules])"
    names = ["asyncio", "concurrent.futures", "multiprocessing", "sqlite3", "supervisor.taskqueue"]
    told = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
