"""Fixtures: one machine with a systemd of its own for all tests here, and the services of docs/systemd.md on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.host import Host
from tests.support.machine import machine

Install = Callable[..., Host]


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The machine, booted, and the application in it."""
    with machine(tmp_path_factory.mktemp("systemd")) as made:
        made.furnish()
        made.boot()
        host = Host(made)
        host.install_application()
        yield host


@pytest.fixture
def install(booted: Host) -> Iterator[Install]:
    """Installs what the page has under a heading."""

    def of(heading: str, *units: str, **drop_ins: str) -> Host:
        booted.install(heading, *units, **drop_ins)
        return booted

    yield of
    booted.uninstall()


@pytest.fixture
def alone(install: Install) -> Callable[..., Host]:
    """Tasks and web in two services; keywords are lines for the drop-in of a unit."""

    def of(**drop_ins: str) -> Host:
        return install("Tasks in a service of their own", "myapp-tasks", "myapp-web", **drop_ins)

    return of


@pytest.fixture
def attached(install: Install) -> Callable[..., Host]:
    """Both in one service; keywords are lines for the drop-in of a unit."""

    def of(**drop_ins: str) -> Host:
        return install("Web and tasks in one service", "myapp", **drop_ins)

    return of
