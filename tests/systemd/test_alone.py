"""``supervisor run`` as a service of a real systemd, and a Gunicorn beside it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support.documents import files
from tests.support.host import HOME, PAGE, Host
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(600)  # the first of a process boots its machine
Make = Callable[..., Host]
IDLE = "ready; 0 running, 0 waiting"
TASKS = "myapp/tasks.py"


def test_installed_as_the_page_says_it_is_active_and_runs_what_the_web_submits(beside: Make) -> None:
    host = beside()
    assert host.prop("ActiveState") == "active", "since `enable --now` waits for READY=1"
    host.wait_status(IDLE)
    assert "cannot be shared by forking" not in host.machine.journal("myapp-tasks"), "the journal is no connection"
    assert host.records(host.submit(0.25)) == [{"state": "succeeded", "result": 0.25, "attempt": 1}]
    assert host.records([host.get("/0.5")])[0]["result"] == 0.5
    assert host.prop("StatusText", "myapp-web") == "Gunicorn, client only of /var/lib/myapp/supervisor"
    assert host.variables("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID") == [], "that line is not for user's code"


def test_a_reload_imports_new_code_and_a_bad_one_leaves_the_old_and_says_why(alone: Make) -> None:
    host = alone()
    good = files(PAGE)[TASKS]
    slow = good.replace("@task", "time.sleep(3)\n\n\n@task").replace("return s", "return -s")
    host.machine.write(f"{HOME}/{TASKS}", slow)
    host.machine.run("systemctl reload --no-block myapp-tasks")
    host.wait_prop("ActiveState", "reloading")
    host.wait_prop("ActiveState", "active")
    until(lambda: host.records(host.submit(0.5))[0]["result"] == -0.5, "the new code", 60.0, 0.1)
    host.machine.write(f"{HOME}/{TASKS}", "import nowhere_to_be_found\n")
    host.machine.run("systemctl reload myapp-tasks")
    host.wait_status("the new code cannot be imported: ModuleNotFoundError: No module named 'nowhere_to_be_found'")
    host.wait_prop("ActiveState", "active")
    assert host.restarts() == 0
    host.machine.write(f"{HOME}/{TASKS}", good)  # for those who submit
    assert host.records(host.submit(0.5))[0]["result"] == -0.5, "the old code goes on"


def test_an_application_that_cannot_be_imported_is_told_and_what_is_submitted_waits_for_it(alone: Make) -> None:
    host = alone()
    host.machine.run("systemctl stop myapp-tasks")
    host.machine.write(f"{HOME}/{TASKS}", "1 / 0\n")
    host.machine.run("systemctl start myapp-tasks")
    assert host.prop("ActiveState") == "active"
    host.wait_status("no task can run, 0 waiting: the application cannot be imported: ZeroDivisionError")
    host.machine.write(f"{HOME}/{TASKS}", files(PAGE)[TASKS])
    ids = host.submit(0, 0)
    host.wait_status(IDLE)
    assert [each["attempt"] for each in host.records(ids)] == [1, 1]


def test_a_stop_waits_for_a_task_beyond_the_time_that_the_unit_gives(alone: Make) -> None:
    host = alone("TimeoutStopSec=2\nEnvironment=SUPERVISOR_GRACE=60s SUPERVISOR_WORKERS=1")
    ids = host.hold(1)
    host.machine.run("systemctl stop --no-block myapp-tasks")
    host.wait_still("deactivating", 5.0)
    host.wait_status("draining: 1 running, 1 waiting")
    host.release()
    host.wait_prop("ActiveState", "inactive")
    assert host.prop("Result") == "success"
    host.machine.run("systemctl start myapp-tasks")
    assert [(each["state"], each["attempt"]) for each in host.records(ids)] == [("succeeded", 1)] * 2


def test_what_outlives_the_grace_is_put_back_and_runs_after_the_next_start(alone: Make) -> None:
    host = alone("Environment=SUPERVISOR_GRACE=1s SUPERVISOR_WORKERS=1")
    ids = host.hold(1)
    host.machine.run("systemctl restart myapp-tasks")
    host.release()
    assert host.prop("Result") == "success"
    assert [(each["state"], each["attempt"]) for each in host.records(ids)] == [("succeeded", 1)] * 2


@pytest.mark.parametrize("victims", [("owner",), ("guardian", "master")], ids=["main process", "guardian and master"])
def test_stopped_where_nobody_else_would_notice_it_is_started_again_by_the_watchdog(
    alone: Make, victims: tuple[str, ...]
) -> None:
    host = alone("WatchdogSec=3\nEnvironment=SUPERVISOR_WORKERS=1")
    ids = host.hold(2)
    pids = [pid for role in victims for pid in host.pids(role)]
    host.send(signal.SIGSTOP, *pids)
    until(lambda: host.restarts() == 1, f"a restart by the watchdog; {host.told()}", 60.0, 0.1)
    host.release()
    assert "Watchdog timeout" in host.machine.journal("myapp-tasks", 400)
    assert [each["state"] for each in host.records(ids)] == ["succeeded"] * 3
    host.wait_prop("ActiveState", "active")


def test_a_master_that_is_stopped_is_replaced_without_a_restart_of_the_service(alone: Make) -> None:
    host = alone("WatchdogSec=5\nEnvironment=SUPERVISOR_WORKERS=1")
    ids = host.hold(1)
    (before,) = host.pids("master")
    host.send(signal.SIGSTOP, before)
    until(lambda: host.pids("master") != [before], f"another master; {host.told()}", 60.0, 0.1)
    host.release()
    assert [each["state"] for each in host.records(ids)] == ["succeeded"] * 2
    assert host.restarts() == 0


def test_killed_all_at_once_it_is_started_again_and_nothing_is_lost(beside: Make) -> None:
    host = beside("Environment=SUPERVISOR_WORKERS=1")
    ids = host.hold(2)
    host.wait_status("1 of 1 workers ready; 1 running, 2 waiting")
    host.machine.run("systemctl kill -s KILL myapp-tasks")
    until(lambda: host.restarts() == 1, f"a restart; {host.told()}", 60.0, 0.1)
    host.release()
    assert [each["state"] for each in host.records(ids)] == ["succeeded"] * 3
    assert host.prop("ActiveState", "myapp-web") == "active", "the web goes on"


def test_after_a_reboot_all_is_back_and_runs(beside: Make) -> None:
    host = beside("Environment=SUPERVISOR_WORKERS=1 SUPERVISOR_GRACE=1s")
    found = host.records(host.reboot_with_tasks(50))
    assert [each["state"] for each in found] == ["succeeded"] * 51
    assert found[0]["attempt"] == 1, "it was put back, in a shutdown in good order"
    assert host.records([host.get("/0")])[0]["state"] == "succeeded"


def test_it_runs_where_no_memory_may_be_written_and_run(alone: Make) -> None:
    host = alone("MemoryDenyWriteExecute=yes")
    assert host.records(host.submit(0.25))[0]["result"] == 0.25
