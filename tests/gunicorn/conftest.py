"""Fixtures: real Gunicorns, of the installed release or another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import gunicorns
from tests.support.gunicorns import Gunicorn
from tests.support.server import Server

MakeServer = Callable[..., Server]


@pytest.fixture
def gunicorn(request: pytest.FixtureRequest) -> Gunicorn:
    """The release to run with: the installed one, unless the test or the environment names another."""
    chosen = getattr(request, "param", os.environ.get(gunicorns.VARIABLE, gunicorns.INSTALLED))
    if chosen in (gunicorns.INSTALLED, gunicorns.installed().version):
        return gunicorns.installed()
    return gunicorns.overlay(chosen, request.config.cache.mkdir("gunicorn"))


@pytest.fixture
def make_server(tmp_path: Path, gunicorn: Gunicorn) -> Iterator[MakeServer]:
    """Makes servers, not started yet; each is ended after the test, and nothing of it may be left."""
    with ExitStack() as stack:

        def make(*, name: str = "app", **options: Any) -> Server:
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            server = Server(folder, gunicorn, **options)
            stack.callback(server.close)
            return server

        yield make


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """A running server with two sync web workers and one task worker."""
    return make_server().start()
