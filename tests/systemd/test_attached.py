"""Gunicorn with the supervisor attached, as a service of a real systemd."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support.documents import files
from tests.support.host import HOME, PAGE, Host
from tests.support.waiting import until
from tests.systemd.conftest import Install

pytestmark = pytest.mark.timeout(600)  # the first of a process boots its machine
Make = Callable[..., Host]
ONE = "Environment=SUPERVISOR_WORKERS=1"
WATCHED = "NotifyAccess=all\nWatchdogSec="


def test_installed_as_the_page_says_web_and_tasks_are_one_service(attached: Make) -> None:
    host = attached()
    assert host.prop("ActiveState") == "active"
    assert host.prop("StatusText") == "Gunicorn, with 2 task worker(s) in /var/lib/myapp/supervisor"
    assert host.records([host.get("/0.5")]) == [{"state": "succeeded", "result": 0.5, "attempt": 1}]
    assert host.variables("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID") == []


def test_a_reload_brings_new_code_to_web_and_tasks_and_the_service_stays(attached: Make) -> None:
    host = attached()
    main = host.prop("MainPID")
    host.machine.write(f"{HOME}/myapp/tasks.py", files(PAGE)["myapp/tasks.py"].replace("return s", "return -s"))
    host.machine.run("systemctl reload myapp")
    until(lambda: host.records([host.get("/0.5")])[0]["result"] == -0.5, f"the new code; {host.told()}", 60.0, 0.1)
    host.wait_prop("ActiveState", "active")
    assert (host.prop("MainPID"), host.restarts()) == (main, 0)


def test_a_stop_waits_for_a_task_beyond_the_time_that_the_unit_gives(attached: Make) -> None:
    host = attached("TimeoutStopSec=4\nEnvironment=SUPERVISOR_GRACE=60s SUPERVISOR_WORKERS=1")
    ids = host.hold(1)
    host.machine.run("systemctl stop --no-block myapp")
    host.wait_still("deactivating", 8.0)
    host.wait_status("draining: 1 running, 1 waiting")
    host.release()
    host.wait_prop("ActiveState", "inactive")
    assert host.prop("Result") == "success", host.told()
    host.machine.run("systemctl start myapp")
    assert [(each["state"], each["attempt"]) for each in host.records(ids)] == [("succeeded", 1)] * 2


@pytest.mark.parametrize("victims", [("owner",), ("guardian", "master")], ids=["Gunicorn", "guardian and master"])
def test_stopped_where_nobody_else_would_notice_it_is_started_again_by_the_watchdog(
    attached: Make, victims: tuple[str, ...]
) -> None:
    host = attached(f"{WATCHED}3\n{ONE}")
    ids = host.hold(1)
    host.send(signal.SIGSTOP, *[pid for role in victims for pid in host.pids(role)])
    until(lambda: host.restarts() == 1, f"a restart by the watchdog; {host.told()}", 60.0, 0.1)
    host.release()
    assert "Watchdog timeout" in host.machine.journal("myapp", 400)
    assert [each["state"] for each in host.records(ids)] == ["succeeded"] * 2


def test_a_master_that_is_stopped_is_replaced_without_a_restart_of_the_service(
    attached: Make,
) -> None:
    host = attached(f"{WATCHED}4\n{ONE}")
    (master,) = host.pids("master")
    host.send(signal.SIGSTOP, master)
    until(lambda: host.pids("master") != [master], f"another master; {host.told()}", 60.0, 0.1)
    assert host.records(host.submit(0))[0]["state"] == "succeeded"
    assert host.restarts() == 0


def test_killed_all_at_once_it_is_started_again_and_nothing_is_lost(attached: Make) -> None:
    host = attached(ONE)
    ids = host.hold(2)
    host.machine.run("systemctl kill -s KILL myapp")
    until(lambda: host.restarts() == 1, f"a restart; {host.told()}", 60.0, 0.1)
    host.release()
    assert [each["state"] for each in host.records(ids)] == ["succeeded"] * 3


def test_after_a_reboot_all_is_back_and_runs(attached: Make) -> None:
    host = attached("Environment=SUPERVISOR_WORKERS=1 SUPERVISOR_GRACE=1s")
    found = host.records(host.reboot_with_tasks(50))
    assert [each["state"] for each in found] == ["succeeded"] * 51
    assert found[0]["attempt"] == 1, "it was put back, in a shutdown in good order"
    assert host.records([host.get("/0.5")])[0]["result"] == 0.5


def test_after_usr2_the_service_goes_on_with_the_new_gunicorn(attached: Make) -> None:
    host = attached(f"{WATCHED}4\n{ONE}")
    old = int(host.prop("MainPID"))
    ids = host.hold(1)
    host.machine.run("systemctl kill --kill-whom=main -s USR2 myapp")
    (new,) = until(lambda: [pid for pid in host.pids("owner") if pid != old], f"a new one; {host.told()}", 60.0, 0.1)
    host.send(signal.SIGTERM, old)
    host.wait_prop("MainPID", str(new))
    host.release()
    assert [(each["state"], each["attempt"]) for each in host.records(ids)] == [("succeeded", 1)] * 2
    assert (host.prop("ActiveState"), host.restarts()) == ("active", 0)
    assert host.records([host.get("/0.5")])[0]["result"] == 0.5
    host.machine.run("systemctl daemon-reload")  # as the page says: from here on it is systemd's child
    host.machine.run("systemctl stop myapp")
    assert host.prop("Result") == "success", host.told()


def test_the_template_serves_an_application_by_its_name(install: Install) -> None:
    host = install("Several applications", "app@myapp")
    assert host.prop("StatusText") == "Gunicorn, with 2 task worker(s) in /var/lib/myapp/supervisor"
    assert host.records([host.get("/0.5")])[0]["result"] == 0.5
    assert host.prop("Slice") == "apps.slice"
