"""The commands run, status and check, as processes: what they say, and their exit codes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor import TaskQueue
from supervisor.cli.checks import filesystem
from supervisor.cli.checks.finding import Verdict
from supervisor.directory import Directory
from supervisor.system import proc
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.command import REPOSITORY, Ran, Terminal, command, environment, run
from tests.support.script import run_file
from tests.support.tree import RunningTree
from tests.support.waiting import until

TASKS = """
from supervisor import task

@task
def double(number):
    return 2 * number

@task
def triple(number):
    return 3 * number
"""


class CommandTree(RunningTree):
    """The tree of a real ``supervisor run``, in a directory with tasks of its own."""

    arguments: tuple[str, ...] = ()

    def start(self, *, wait: bool = True) -> CommandTree:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command("run", *self.arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment(),
            )
        if wait:
            self.wait_ready()
        return self


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A directory with an application in it."""
    (tmp_path / "mytasks.py").write_text(TASKS)
    return tmp_path


@pytest.fixture
def alone(app: Path) -> Iterator[CommandTree]:
    """``supervisor run`` of that application, not started yet."""
    tree = CommandTree(app)
    tree.arguments = ("mytasks", "--workers", "2", "--dir", "sv")
    yield tree
    tree.close()


# -- run ---------------------------------------------------------------------------------------------------------


def test_run_serves_until_term_and_leaves_with_0(alone: CommandTree) -> None:
    alone.start()
    task_id = alone.queue.submit(tasks.add, 1, 2)
    assert alone.queue.wait(task_id, timeout=20).result == 3
    assert alone.stop() == 0
    until(lambda: not alone.left_over(), "the end of the tree")


def test_run_takes_the_tasks_from_the_current_directory(alone: CommandTree, app: Path) -> None:
    alone.start()
    script = "import mytasks; print(mytasks.double.delay(21).result(timeout=20))"
    env = environment({"SUPERVISOR_DIR": str(alone.dir)})
    done = subprocess.run(
        [*command()[:1], "-c", script], cwd=app, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("42\n", "")


def test_a_second_run_on_the_directory_is_refused_with_a_sentence(alone: CommandTree, app: Path) -> None:
    alone.start()
    second = run("run", "mytasks", "--dir", "sv", cwd=app)
    assert second.code == 1
    assert second.out == ""
    (line,) = second.error.splitlines()
    assert line.startswith(f"supervisor: a supervisor already runs on {alone.dir} (process ")
    assert "--dir" in line
    assert alone.queue.stats().unfinished == {}, "the first goes on"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("mytasks", "--workers", "-1"), 1, "--workers"),
        (("mytasks", "--workers", "0"), 1, "leaves nothing to run"),
        (("mytasks", "--timeout", "1s", "--soft-timeout", "2s"), 1, "soft_timeout = 2s (--soft-timeout) is above"),
        (("mytasks.py",), 1, "did you mean 'mytasks'?"),
        (("mytasks", "--durability", "perfect"), 1, 'one of "full", "normal", "off"'),
        (("mytasks", "--max-retires", "1"), 2, "--max-retries"),
    ],
)
def test_run_refuses_what_makes_no_sense(app: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    ran = run("run", *arguments, cwd=app)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.error
    assert "Traceback" not in ran.error
    assert not (app / ".supervisor").exists(), "a refusal leaves nothing behind"


def test_run_refuses_an_open_directory(app: Path) -> None:
    (app / "sv").mkdir()
    (app / "sv").chmod(0o755)
    ran = run("run", "mytasks", "--dir", "sv", cwd=app)
    assert ran.code == 1
    assert f"run: chmod 0700 {app / 'sv'}" in ran.error


@pytest.mark.parametrize("place", ["/proc/supervisor", "/dev/null/supervisor"])
def test_run_refuses_a_directory_that_cannot_be_made(app: Path, place: str) -> None:
    ran = run("run", "mytasks", "--dir", place, cwd=app)
    assert ran.code == 1
    assert ran.error.splitlines()[-1].startswith(f"supervisor: {place} cannot be used: ")


def test_run_reads_the_environment_and_pyproject(app: Path) -> None:
    (app / "pyproject.toml").write_text('[tool.supervisor]\ngrace = "nonsense"\n')
    ran = run("run", "mytasks", cwd=app, env={"SUPERVISOR_RETRY_DELAY": "-3"})
    assert ran.code == 1
    assert f"[tool.supervisor] of {app / 'pyproject.toml'} says 'nonsense'" in ran.error
    assert "SUPERVISOR_RETRY_DELAY says '-3'" in ran.error


def test_hup_imports_the_tasks_code_anew(alone: CommandTree, app: Path) -> None:
    alone.start()
    script = app / "ask.py"
    script.write_text("import mytasks; print(mytasks.double.delay(10).result(timeout=30))\n")
    assert run_file(alone, script) == "20\n"
    (app / "mytasks.py").write_text(TASKS.replace("2 * number", "2 * number + 1"))
    alone.signal(signal.SIGHUP)
    until(lambda: run_file(alone, script) == "21\n", "the new code", 30.0)
    assert alone.stop() == 0


def test_titles_say_who_does_what(alone: CommandTree) -> None:
    alone.start()
    for role in ("guardian", "master", "broker"):
        assert proc.command(alone.pid_of(role)).startswith(f"mytasks supervisor: {role} [")
    assert proc.command(alone.pid_of("template")).startswith("mytasks supervisor: template, generation 1 [")
    task_id = busy(alone)
    titles = until(lambda: sorted(map(proc.command, alone.worker_pids())), "the titles")
    assert [title.partition(" ")[0] for title in titles] == ["mytasks", "mytasks"]
    assert any("runs tests.support.tasks.sleep" in title for title in titles), titles
    alone.queue.cancel(task_id)


def test_ctrl_c_ends_run_with_0(app: Path) -> None:
    with Terminal("run", "mytasks", "--workers", "1", "--dir", "sv", cwd=app) as terminal:
        until(lambda: "is imported" in terminal.read(), "the import", 30.0)
        terminal.type("\x03")
        ran = terminal.finish()
    assert ran.code == 0
    assert "SIGINT: stopping" in ran.out
    assert "Traceback" not in ran.out
    assert "Aborted" not in ran.out


def test_the_help_shows_every_setting_in_80_columns(app: Path) -> None:
    with Terminal("run", "--help", cwd=app) as terminal:
        ran = terminal.finish()
    assert ran.code == 0
    assert "--memory-budget SIZE|none" in ran.out
    assert "SUPERVISOR_QUEUE_LIMIT" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


# -- status ------------------------------------------------------------------------------------------------------


def test_status_without_a_supervisor_is_1_and_a_sentence(tmp_path: Path) -> None:
    ran = run("status", "--dir", "nowhere", cwd=tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.error.startswith(f"supervisor: no supervisor runs on {tmp_path / 'nowhere'}; start one")
    told = run("status", "--dir", "nowhere", "--json", cwd=tmp_path)
    assert told.code == 1
    assert told.json()["running"] is False
    assert "no supervisor runs" in told.json()["reason"]


def busy(tree: RunningTree) -> str:
    """Give a worker something to do for long; the task's id."""
    started = tree.folder / "started"
    handle = tasks.sleep.on(tree.queue).delay(600, str(started))
    until(started.exists, "the task to start")
    return handle.id


def rows(found: dict[str, Any], role: str) -> list[dict[str, Any]]:
    return [row for row in found["processes"] if row["role"] == role]


def test_status_tells_who_runs_what(tree: RunningTree) -> None:
    task_id = busy(tree)
    tree.queue.submit(tasks.add.options(delay="1h"), 1, 1)
    ran = run("status", "--dir", tree.dir, "--json", cwd=tree.folder)
    found = ran.json()
    assert ran.code == 0
    assert found["running"] is True
    assert found["directory"] == str(tree.dir)
    assert (found["wanted"], found["ready"], found["import_error"]) == (2, 2, "")
    for role in ("owner", "guardian", "master", "broker", "template"):
        (row,) = rows(found, role)
        assert proc.state(row["pid"]) is not None
        assert row["usage"]["rss"] > 1 << 20
        assert row["usage"]["cpu_percent"] >= 0
    workers = rows(found, "worker")
    assert {row["pid"] for row in workers} == set(tree.worker_pids())
    (occupied,) = [row for row in workers if row["state"] == "busy"]
    assert (occupied["task"], occupied["task_id"]) == ("tests.support.tasks.sleep", task_id)
    assert occupied["elapsed"] > 0
    assert 250 < occupied["left"] < 300
    assert found["queue"]["unfinished"] == {"running": 1, "scheduled": 1}
    tree.queue.cancel(task_id)


def test_status_shows_cpu_and_affinity_as_the_kernel_does(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1, cpus=str(min(os.sched_getaffinity(0))))
    handle = tasks.endless_loop.on(tree.queue).delay()
    until(lambda: any(worker["busy"] for worker in (tree.status() or {}).get("workers", [])), "the loop to start")
    (row,) = rows(run("status", "--dir", tree.dir, "--json", cwd=tree.folder).json(), "worker")
    assert row["usage"]["cpus"] == str(min(os.sched_getaffinity(0)))
    assert row["usage"]["cpu_percent"] > 5
    assert handle.cancel()


def test_status_is_readable_at_80_columns(tree: RunningTree) -> None:
    task_id = busy(tree)
    with Terminal("status", "--dir", tree.dir, cwd=tree.folder) as terminal:
        ran = terminal.finish()
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80, ran.out
    assert "\x1b[" in terminal.raw(), "a terminal gets colours"
    for word in ("guardian", "master", "broker", "template", "worker 0", "worker 1", "busy", "idle", "1 running"):
        assert word in ran.out, ran.out
    shown = "".join(ran.out.split())
    assert "limit1,000,000,durabilityfull" in shown
    tree.queue.cancel(task_id)


def test_status_in_a_pipe_has_no_colours_and_cuts_no_name(tree: RunningTree) -> None:
    task_id = busy(tree)
    ran = run("status", "--dir", tree.dir, cwd=tree.folder)
    assert "\x1b" not in ran.out
    assert "tests.support.tasks.sleep" in ran.out
    tree.queue.cancel(task_id)


def test_status_says_why_the_tasks_cannot_be_imported(make_tree: MakeTree) -> None:
    tree = make_tree(start=False, tasks="there.was.no.such.module")
    tree.start(wait=False)
    until(lambda: (tree.status() or {}).get("template", {}).get("error"), "the import to fail", 20.0)
    ran = run("status", "--dir", tree.dir, cwd=tree.folder)
    assert ran.code == 0
    assert "ModuleNotFoundError: No module named 'there'" in ran.out
    assert "0 of 2 workers ready" in ran.out


def test_status_answers_while_the_broker_is_stopped(make_tree: MakeTree) -> None:
    tree = make_tree(heartbeat_timeout="1m")
    # The master replaces a stopped broker by itself; one held by a debugger looks like this to everybody else.
    master, broker = tree.pid_of("master"), tree.pid_of("broker")
    os.kill(broker, signal.SIGSTOP)
    try:
        ran = run("status", "--dir", tree.dir, "--json", cwd=tree.folder)
    finally:
        os.kill(broker, signal.SIGCONT) if proc.state(broker) else None
    assert ran.code == 0
    (row,) = rows(ran.json(), "master")
    assert row["pid"] == master


def test_status_finds_the_directory_by_itself(alone: CommandTree, app: Path) -> None:
    alone.start()
    (app / "pyproject.toml").write_text('[tool.supervisor]\ndir = "sv"\nworkers = "nonsense"\n')
    assert run("status", cwd=app).code == 0, "by pyproject.toml, of which only this matters here"
    (app / "pyproject.toml").unlink()
    assert run("status", cwd=app).code == 1
    assert run("status", cwd=app, env={"SUPERVISOR_DIR": str(alone.dir)}).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_status_of_a_stranger_says_that_it_is_closed_to_us(tree: RunningTree) -> None:
    script = "import os; os.setgid(65534); os.setuid(65534); supervisor.cli.commands.cli()"
    # Imported before the change of user, who may not be able to read this Python.
    words = [
        *command()[:1],
        "-c",
        f"import supervisor.cli.commands, supervisor.cli.status; {script}",
        "status",
        "--dir",
        str(tree.dir),
    ]
    done = subprocess.run(words, cwd="/", env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "is closed to us (uid 65534)" in done.stderr


def test_status_says_that_the_old_code_goes_on_where_the_new_cannot_be_imported(alone: CommandTree, app: Path) -> None:
    alone.start()
    (app / "mytasks.py").write_text("import nothing_of_that_name\n")
    assert alone.process is not None
    alone.process.send_signal(signal.SIGHUP)
    sentence = "the tasks' new code cannot be imported, and the old goes on"
    until(lambda: sentence in run("status", "--dir", "sv", cwd=app).out, "status to say so", 30.0)
    assert "nothing_of_that_name" in run("status", "--dir", "sv", cwd=app).out


# -- check -------------------------------------------------------------------------------------------------------


def verdicts(ran: Ran, subject: str) -> list[tuple[str, str]]:
    return [(found["verdict"], found["sentence"]) for found in ran.json()["findings"] if found["subject"] == subject]


def faults(ran: Ran) -> list[str]:
    return [found["sentence"] for found in ran.json()["findings"] if found["verdict"] == "fault"]


def test_check_of_a_sound_application(app: Path) -> None:
    ran = run("check", "mytasks", "--json", "--workers", "1", cwd=app, env={"SUPERVISOR_GRACE": "10s"})
    found = ran.json()
    assert (ran.code, found["ok"], found["faults"]) == (0, True, 0)
    assert found["settings"]["workers"] == {"value": 1, "source": "--workers"}
    assert found["settings"]["grace"] == {"value": 10.0, "source": "SUPERVISOR_GRACE"}
    assert found["settings"]["tasks"] == {"value": ["mytasks"], "source": "MODULE"}
    assert found["settings"]["durability"] == {"value": "full", "source": "default"}
    ((verdict, sentence),) = verdicts(ran, "import")
    assert verdict == "ok"
    assert sentence.startswith("mytasks: 2 tasks")
    assert not (app / ".supervisor").exists(), "it only looks"


def test_check_counts_the_tasks_of_a_package_by_what_its_modules_declare(app: Path) -> None:
    (app / "whole").mkdir()
    (app / "whole" / "__init__.py").write_text("from whole import part\n")
    (app / "whole" / "part.py").write_text(TASKS)
    ((verdict, sentence),) = verdicts(run("check", "whole", "--json", cwd=app), "import")
    assert (verdict, sentence.partition(",")[0]) == ("ok", "whole: 2 tasks")


def test_check_beside_a_running_supervisor(tree: RunningTree) -> None:
    tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=20)
    ran = run("check", "tests.support.tasks", "--dir", tree.dir, "--json", cwd=tree.folder)
    assert (ran.code, faults(ran)) == (0, [])
    assert ("ok", "it is sound (1 task)") in verdicts(ran, "journal")
    closed = next(sentence for _, sentence in verdicts(ran, "directory") if sentence.startswith("closed to others"))
    for name in ("key", "queue.sock", "control.sock", "journal.db", "journal.db-wal", "payloads", "owners"):
        assert name in closed
    assert tree.queue.wait(tree.queue.submit(tasks.add, 3, 4), timeout=20).result == 7


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(4)", "SystemExit: 4"),
        ("import os; os._exit(0)", "ended the process with exit code 0"),
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
        ("while True: pass", "not done after 2.0s (import_timeout)"),
    ],
)
def test_check_names_the_module_that_cannot_be_imported(app: Path, code: str, says: str) -> None:
    (app / "broken.py").write_text(code)
    limit = "2s" if "import_timeout" in says else "60s"
    ran = run("check", "mytasks,broken", "--import-timeout", limit, "--json", cwd=app)
    assert ran.code == 1
    (sentence,) = faults(ran)
    assert sentence.startswith("broken")
    assert says in sentence
    assert "importlib" not in sentence, "the traceback begins with the application"


def test_check_finds_schedules_that_cannot_be_taken_up(app: Path) -> None:
    (app / "timetable.py").write_text(
        "from supervisor import schedule\ndef plain(): ...\nschedule.add(plain, cron='@daily', name='x')\n"
    )
    assert run("check", "timetable", "--json", cwd=app).code == 0
    ran = run("check", "timetable", "--json", cwd=app, env={"SUPERVISOR_PAYLOADS": "json"})
    assert ran.code == 1
    (sentence,) = faults(ran)
    assert sentence.startswith("schedule x: ")
    assert "only functions that are registered run" in sentence


def test_check_is_not_content_with_an_import_that_it_did_not_come_to(app: Path) -> None:
    ran = run("check", "mytasks", "--import-timeout", "1ms", "--json", cwd=app)
    assert ran.code == 1
    assert faults(ran) == ["the application: its import was not done after 1ms (import_timeout)"]


def test_check_kills_what_a_hanging_import_has_started(app: Path) -> None:
    born = app / "born"
    (app / "broken.py").write_text(
        "import subprocess, time\n"
        f"child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(born)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    assert run("check", "broken", "--import-timeout", "2s", cwd=app).code == 1
    pid = int(born.read_text())
    until(lambda: proc.state(pid) in (None, "Z"), "the end of what the import started")


def test_check_warns_of_what_cannot_be_forked(app: Path) -> None:
    (app / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, name='poller').start()\nprint('hello')\n"
    )
    ran = run("check", "threaded", "--json", cwd=app)
    assert ran.code == 0, ran.out
    warnings = [sentence for verdict, sentence in verdicts(ran, "import") if verdict == "warning"]
    assert len(warnings) == 1
    assert "1 thread(s) (poller)" in warnings[0]


def test_check_tells_every_fault_of_the_settings(app: Path) -> None:
    ran = run("check", "mytasks", "--workers", "many", "--grace", "never", "--json", cwd=app)
    assert ran.code == 1
    assert [sentence.split()[0] for sentence in faults(ran)] == ["workers", "grace"]


def test_check_finds_files_that_are_open_to_others(alone: CommandTree, app: Path) -> None:
    alone.start()
    for name, mode in (("key", 0o644), ("queue.sock", 0o666), ("journal.db", 0o640), ("payloads", 0o755)):
        (alone.dir / name).chmod(mode)
    ran = run("check", "mytasks", "--dir", "sv", "--json", cwd=app)
    assert ran.code == 1
    found = "\n".join(faults(ran))
    for name, remedy in (("key", "0600"), ("queue.sock", "0600"), ("journal.db", "0600"), ("payloads", "0700")):
        assert f"chmod {remedy} {alone.dir / name}" in found
    alone.dir.chmod(0o755)
    opened = run("check", "mytasks", "--dir", "sv", "--json", cwd=app)
    alone.dir.chmod(0o700)
    assert f"chmod 0700 {alone.dir}" in "\n".join(faults(opened))


def test_check_finds_a_damaged_journal_and_does_not_touch_it(alone: CommandTree, app: Path) -> None:
    alone.start()
    for number in range(50):
        alone.queue.submit(tasks.add, number, 1)
    alone.stop()
    alone.close()
    journal = Directory(alone.dir).journal
    whole = journal.read_bytes()
    spoilt = whole[:4096] + os.urandom(len(whole) - 4096)
    journal.write_bytes(spoilt)
    ran = run("check", "mytasks", "--dir", "sv", "--json", cwd=app)
    assert ran.code == 1
    assert any(verdict == "fault" for verdict, _ in verdicts(ran, "journal"))
    assert journal.read_bytes() == spoilt


def test_check_knows_a_database_of_something_else_and_a_newer_one(app: Path) -> None:
    (app / "sv").mkdir(mode=0o700)
    with sqlite3.connect(app / "sv" / "journal.db") as database:
        database.execute("CREATE TABLE other (x)")
    (app / "sv" / "journal.db").chmod(0o600)
    assert any("something else" in each for each in faults(run("check", "mytasks", "--dir", "sv", "--json", cwd=app)))
    database.close()


def test_check_warns_of_a_socket_path_over_the_limit(app: Path) -> None:
    deep = app / ("d" * 60) / ("e" * 60)
    ran = run("check", "mytasks", "--dir", deep, "--json", cwd=app)
    assert ran.code == 0
    assert any(verdict == "warning" and "107" in sentence for verdict, sentence in verdicts(ran, "socket"))


def test_check_finds_the_other_package_of_the_same_name(app: Path) -> None:
    information = app / "supervisor-4.2.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: supervisor\nVersion: 4.2.5\n")
    env = {"PYTHONPATH": environment()["PYTHONPATH"] + os.pathsep + str(app)}
    ran = run("check", "mytasks", "--json", cwd=app, env=env)
    assert ran.code == 1
    ((verdict, sentence),) = verdicts(ran, "name")
    assert verdict == "fault"
    assert "supervisor 4.2.5 (supervisord)" in sentence
    elsewhere = app / "elsewhere"
    elsewhere.mkdir()
    assert verdicts(run("check", "--json", cwd=elsewhere), "name")[0][0] == "ok"


def test_every_command_tells_of_the_other_package_when_it_has_written_over_ours(app: Path) -> None:
    shutil.copytree(REPOSITORY / "supervisor", app / "site" / "supervisor")
    (app / "site" / "supervisor" / "__init__.py").write_text("#\n")
    (app / "site" / "supervisor" / "states.py").write_text("class ProcessStates: pass\n")
    information = app / "site" / "supervisor-4.3.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: supervisor\nVersion: 4.3.0\n")
    for words in (("check", "mytasks"), ("run", "mytasks"), ("status",)):
        ran = run(*words, cwd=app, env={"PYTHONPATH": str(app / "site")})
        assert ran.code == 1
        (line,) = ran.error.splitlines()
        assert line.startswith("supervisor: PyPI's supervisor 4.3.0 (supervisord) is in this environment too")


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("nfs4", Verdict.WARNING), ("fuse.sshfs", Verdict.WARNING), ("tmpfs", Verdict.WARNING), ("ext4", Verdict.OK)],
)
def test_the_filesystem_is_judged_by_the_nearest_mount(kind: str, verdict: Verdict) -> None:
    mounts = [(Path("/"), "xfs"), (Path("/srv"), "btrfs"), (Path("/srv/app"), kind), (Path("/srv/apples"), "vfat")]
    found = filesystem.filesystem_of(Path("/srv/app/sv"), mounts)
    assert found == kind
    assert filesystem.judge(Directory("/srv/app/sv"), found, durable=True).verdict is verdict


def test_check_is_readable_at_80_columns(app: Path) -> None:
    with Terminal("check", "mytasks", "nothing.there", "--all", cwd=app) as terminal:
        ran = terminal.finish()
    assert ran.code == 1
    assert max(map(len, ran.out.splitlines())) <= 80, ran.out
    assert "1 fault, 0 warnings" in ran.out


def test_nobody_listens_where_only_a_socket_was_left(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "sv")
    directory.prepare()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(str(directory.control))
    assert run("status", "--dir", directory.path, cwd=tmp_path).code == 1
    assert TaskQueue(directory.path).directory == directory.path
