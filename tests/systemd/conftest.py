"""Fixtures: one machine with a systemd of its own for all tests here, and the services of docs/systemd.md on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.host import Host
from tests.support.machine import machine

Install = Callable[..., Host]
ALONE = "Tasks in a service of their own"


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

    def of(heading: str, *units: str, **options: str) -> Host:
        booted.install(heading, *units, **options)
        return booted

    yield of
    booted.uninstall()


@pytest.fixture
def alone(install: Install) -> Callable[..., Host]:
    """The tasks in a service of their own; a word is a line for the drop-in of its unit."""

    def of(line: str = "") -> Host:
        return install(ALONE, "myapp-tasks", without="myapp-web", myapp_tasks=line)

    return of


@pytest.fixture
def beside(install: Install) -> Callable[..., Host]:
    """The tasks in a service of their own, and the web in another."""

    def of(line: str = "") -> Host:
        return install(ALONE, "myapp-tasks", "myapp-web", myapp_tasks=line)

    return of


@pytest.fixture
def attached(install: Install) -> Callable[..., Host]:
    """Web and tasks in one service; a word is a line for the drop-in of its unit."""

    def of(line: str = "") -> Host:
        return install("Web and tasks in one service", "myapp", myapp=line)

    return of
