"""``supervisor check`` of a deployment: whether the times of Gunicorn, the supervisor and systemd fit together."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from supervisor.cli.unit import read, seconds
from supervisor.errors import UnreadableFileError
from tests.support.command import Ran, run

CONFIG = """
from supervisor.gunicorn import attach

graceful_timeout = 20
attach(globals(), tasks="mytasks", workers=1, grace="40s")
"""
UNITS = Path(__file__).parents[2] / "systemd"
GOOD = "[Service]\nType=notify\nKillMode=mixed\nTimeoutStopSec=90\nOOMPolicy=continue\nRestart=always\n"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A directory with an application, its Gunicorn config file and its unit."""
    (tmp_path / "mytasks.py").write_text("from supervisor import task\n\n@task\ndef work(): ...\n")
    (tmp_path / "gunicorn_config.py").write_text(CONFIG)
    (tmp_path / "app.service").write_text(GOOD)
    return tmp_path


def findings(ran: Ran) -> list[tuple[str, str, str]]:
    return [(found["subject"], found["verdict"], found["sentence"]) for found in ran.json()["findings"]]


def check(app: Path, *words: str, code: int = 0) -> list[tuple[str, str, str]]:
    ran = run("check", "--json", *words, cwd=app)
    assert ran.code == code, ran
    return findings(ran)


def said(found: list[tuple[str, str, str]], subject: str, verdict: str) -> list[str]:
    return [sentence for about, how, sentence in found if (about, how) == (subject, verdict)]


def test_the_settings_of_attach_are_those_that_are_checked(app: Path) -> None:
    ran = run("check", "--json", "--gunicorn", "gunicorn_config.py", cwd=app)
    assert ran.code == 0
    assert ran.json()["settings"]["grace"] == {"value": 40.0, "source": "attach(...)"}
    assert ran.json()["settings"]["tasks"]["value"] == ["mytasks"]
    found = findings(ran)
    assert said(found, "gunicorn", "ok") == ["runs the supervisor, with 1 task workers"]
    assert any("1m 10s: 20s for requests" in each and "40s for tasks" in each for each in said(found, "stop", "ok"))
    assert [each for each in said(found, "import", "ok") if each.startswith("mytasks: 1 task")]


def test_arguments_of_gunicorn_in_the_environment_win_over_the_file(app: Path) -> None:
    env = {"GUNICORN_CMD_ARGS": "--graceful-timeout 5"}
    ran = run("check", "--json", "--gunicorn", "gunicorn_config.py", cwd=app, env=env)
    assert any("5.0s for requests" in each for each in said(findings(ran), "stop", "ok"))


def test_a_config_file_without_a_supervisor_is_a_fault_and_so_is_one_that_cannot_be_read(app: Path) -> None:
    (app / "bare.py").write_text("workers = 2\n")
    (app / "broken.py").write_text("import nothing_of_that_name\n")
    assert "attach(globals()" in said(check(app, "--gunicorn", "bare.py", code=1), "gunicorn", "fault")[0]
    (sentence,) = said(check(app, "--gunicorn", "broken.py", code=1), "deployment", "fault")
    assert sentence == ("broken.py cannot be read: ModuleNotFoundError: No module named 'nothing_of_that_name'")
    (sentence,) = said(check(app, "--gunicorn", "absent.py", code=1), "deployment", "fault")
    assert "absent.py" in sentence
    assert "doesn't exist" in sentence


def test_a_unit_that_waits_long_enough_is_well(app: Path) -> None:
    found = check(app, "--gunicorn", "gunicorn_config.py", "--unit", "app.service")
    assert not [each for each in found if each[0] == "unit" and each[1] != "ok"]
    (sentence,) = said(found, "unit", "ok")
    assert sentence == (
        "app.service waits 1m 30s (TimeoutStopSec); a stop needs 30s before the drain of the tasks, which asks for more"
        " by itself"
    )


@pytest.mark.parametrize(
    ("unit", "needed"),
    [
        (GOOD.replace("TimeoutStopSec=90", "TimeoutStopSec=25"), 30),  # requests, and what does not end
        (GOOD.replace("Type=notify", "Type=exec").replace("TimeoutStopSec=90", "TimeoutStopSec=1min 9s"), 70),
    ],
    ids=["told of the drain", "not told of it"],
)
def test_a_unit_that_kills_before_all_have_had_their_time_is_a_fault_that_names_the_remedy(
    app: Path, unit: str, needed: int
) -> None:
    (app / "app.service").write_text(unit)
    found = check(app, "--gunicorn", "gunicorn_config.py", "--unit", "./app.service", code=1)
    (sentence,) = said(found, "unit", "fault")
    assert f"set TimeoutStopSec={needed} or more" in sentence
    (app / "app.service").write_text(unit + f"TimeoutStopSec={needed}\n")
    assert not said(check(app, "--gunicorn", "gunicorn_config.py", "--unit", "./app.service"), "unit", "fault")


def test_a_supervisor_of_its_own_needs_no_time_for_requests(app: Path) -> None:
    (app / "app.service").write_text(GOOD.replace("notify", "exec").replace("90", "50"))
    words = ("mytasks", "--workers", "1", "--grace", "40s", "--unit", "app.service")
    assert said(check(app, *words), "unit", "ok") == [
        "app.service waits 50s (TimeoutStopSec); a stop needs 50s",
    ]


def test_what_a_unit_does_not_say_is_as_systemd_takes_it(app: Path) -> None:
    (app / "app.service").write_text("[Unit]\nTimeoutStopSec=1\n[Service]\nKillMode=process\n")
    found = check(app, "--gunicorn", "gunicorn_config.py", "--unit", "app.service", code=1)
    assert said(found, "unit", "ok")[0].startswith("app.service waits 1m 30s (TimeoutStopSec);")
    assert "KillMode=mixed" in said(found, "unit", "fault")[0]
    warnings = said(found, "unit", "warning")
    assert [each.partition(":")[0] for each in warnings] == ["OOMPolicy=stop", "Restart=no"]


@pytest.mark.parametrize("unit", ["myapp.service", "app@.service"])
def test_the_units_that_come_along_fit_the_defaults_under_gunicorn(app: Path, unit: str) -> None:
    (app / "defaults.py").write_text(CONFIG.replace("graceful_timeout = 20\n", "").replace(', grace="40s"', ""))
    found = check(app, "--gunicorn", "defaults.py", "--unit", str(UNITS / unit))
    assert [each for each in found if each[0] == "unit" and each[1] != "ok"] == []


def test_the_unit_of_a_supervisor_of_its_own_fits_the_defaults(app: Path) -> None:
    found = check(app, "mytasks", "--unit", str(UNITS / "myapp-tasks.service"))
    assert [each for each in found if each[0] == "unit" and each[1] != "ok"] == []


def test_a_watchdog_that_systemd_would_not_hear_is_a_fault(app: Path) -> None:
    (app / "app.service").write_text(GOOD + "WatchdogSec=30\n")
    found = check(app, "--gunicorn", "gunicorn_config.py", "--unit", "app.service", code=1)
    assert "set NotifyAccess=all" in said(found, "unit", "fault")[0]
    (app / "app.service").write_text(GOOD + "WatchdogSec=30\nNotifyAccess=all\n")
    assert not said(check(app, "--gunicorn", "gunicorn_config.py", "--unit", "app.service"), "unit", "fault")


def test_a_unit_that_starts_something_else_is_a_fault(app: Path) -> None:
    found = check(app, "--gunicorn", "gunicorn_config.py", "--unit", str(UNITS / "myapp-tasks.service"), code=1)
    assert "does not start Gunicorn" in said(found, "unit", "fault")[0]


def test_drop_ins_beside_a_unit_count(app: Path) -> None:
    (app / "app.service.d").mkdir()
    (app / "app.service.d" / "10-time.conf").write_text("# short\n[Service]\nTimeoutSec=5\n")
    assert said(check(app, "--gunicorn", "gunicorn_config.py", "--unit", "app.service", code=1), "unit", "fault")
    (app / "app.service.d" / "20-time.conf").write_text("[Service]\nTimeoutStopSec=infinity\n")
    (sentence,) = said(check(app, "--gunicorn", "gunicorn_config.py", "--unit", "app.service"), "unit", "ok")
    assert "sets no limit" in sentence


def test_a_unit_of_the_running_systemd_is_asked_for_by_its_name(app: Path, tmp_path: Path) -> None:
    """``systemctl`` is not there everywhere; a program of that name stands in for its answers as they are printed."""
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    shown = (
        "LoadState=loaded\nType=notify\nTimeoutStopUSec=1min 30s\nKillMode=mixed\nOOMPolicy=continue\nRestart=always"
    )
    systemctl.write_text(f"#!/bin/sh\ncat <<'END'\n{shown}\nEND\n")
    systemctl.chmod(0o755)
    env = {"PATH": f"{systemctl.parent}:{os.environ['PATH']}"}
    ran = run("check", "--json", "--gunicorn", "gunicorn_config.py", "--unit", "shop", cwd=app, env=env)
    assert ran.code == 0
    assert said(findings(ran), "unit", "ok")[0].startswith("shop waits 1m 30s")
    systemctl.write_text("#!/bin/sh\necho LoadState=not-found\n")
    ran = run("check", "--json", "--gunicorn", "gunicorn_config.py", "--unit", "shop", cwd=app, env=env)
    assert said(findings(ran), "deployment", "fault") == ["shop cannot be read: systemd has no such unit (not-found)"]
    assert json.loads(ran.out)["ok"] is False


@pytest.mark.parametrize(
    ("span", "wanted"),
    [
        ("90", 90.0),
        ("1min 30s", 90.0),
        ("2h5m", 7500.0),
        ("500ms", 0.5),
        ("1.5 hours", 5400.0),
        ("infinity", math.inf),
    ],
)
def test_time_spans_are_read_as_systemd_writes_them(span: str, wanted: float) -> None:
    assert seconds(span) == pytest.approx(wanted)


@pytest.mark.parametrize("span", ["", "soon", "5 parsecs", "1min 30s later"])
def test_what_is_no_time_span_is_refused(span: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{span}$"):
        seconds(span)
    unit = tmp_path / "odd.service"
    unit.write_text(f"[Service]\nTimeoutStopSec={span}\n")
    with pytest.raises(UnreadableFileError, match="is no time span"):
        read(str(unit))
