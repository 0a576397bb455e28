"""The units of systemd/ as systemd itself reads them."""

from __future__ import annotations

import re

import pytest

from tests.support.host import Host
from tests.support.machine import REPOSITORY

pytestmark = pytest.mark.timeout(600)  # the first of a process boots its machine
UNITS = sorted(path.name for path in (REPOSITORY / "systemd").iterdir())
SERVICES = [name for name in UNITS if name.endswith(".service")]
TIGHTEST = 2.5


def test_systemd_finds_no_fault_in_any_unit(booted: Host) -> None:
    booted.machine.run("cp systemd/* /etc/systemd/system/")
    names = " ".join(name.replace("@.", "@myapp.") for name in UNITS)
    done = booted.machine.run(f"systemd-analyze verify {names}")
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "myapp" in line or "apps" in line]
    assert ours == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_little(booted: Host, name: str) -> None:
    done = booted.machine.run(f"systemd-analyze security --no-pager --offline=true systemd/{name}")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout
    assert float(found[1]) <= TIGHTEST


def test_the_page_says_how_little(booted: Host) -> None:
    done = booted.machine.run("systemd-analyze security --no-pager --offline=true systemd/myapp-tasks.service")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found
    assert f"says {found[1]} of 10" in (REPOSITORY / "docs/systemd.md").read_text()
