"""Gunicorn's own dirty arbiter: calls from web workers into processes beside them. No queue; it keeps nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import local
from typing import Any

from gunicorn.dirty.app import DirtyApp
from gunicorn.dirty.client import DirtyClient

from scripts.benchmarks import marks
from scripts.benchmarks.peer import FOLDER, WORKERS, programs

_APP = "scripts.benchmarks.peers.gunicorn_dirty:Noop"
_PLACE = FOLDER / "dirty.txt"
_CONFIG = f"""
bind = "unix:{FOLDER}/web.sock"
workers = 1
control_socket_disable = True
wsgi_app = "scripts.benchmarks.peers.gunicorn_dirty:application"
dirty_apps = [{_APP!r}]
dirty_workers = {WORKERS}
def post_worker_init(worker):
    from gunicorn.dirty.client import get_dirty_socket_path
    import pathlib
    pathlib.Path({str(_PLACE)!r}).write_text(get_dirty_socket_path())
"""


class Noop(DirtyApp):  # type: ignore[misc]
    """Its application."""

    def noop(self, number: int) -> int:
        """Does nothing."""
        return marks.note(number)


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """A web application has to be there."""
    start_response("204 No Content", [])
    return []


class Peer:
    """Four threads call it, since a caller waits for its answer."""

    durability = "none: the caller waits, and nothing is queued"
    settings = "two processes; four threads that call and wait"

    def __init__(self) -> None:
        self._here = local()
        self._numbers: list[int] = []
        self._results: dict[int, object] = {}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Gunicorn with its dirty workers."""
        config = FOLDER / "dirty_config.py"
        config.write_text(_CONFIG)
        with programs(["gunicorn", "-c", str(config)]):
            until = time.monotonic() + 20
            while not _PLACE.exists():
                if time.monotonic() > until:
                    raise RuntimeError("Gunicorn does not start")
                time.sleep(0.01)
            yield

    def _call(self, number: int) -> object:
        client = getattr(self._here, "client", None)
        if client is None:
            client = self._here.client = DirtyClient(_PLACE.read_text(), timeout=60.0)
        return client.execute(_APP, "noop", number)

    def submit(self, numbers: Iterable[int]) -> None:
        """There is nowhere to put them: they are called by :meth:`work`."""
        self._numbers = list(numbers)

    def submit_one(self, number: int) -> None:
        """Call it and wait for its end."""
        self._call(number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """All the calls."""
        with ThreadPoolExecutor(2 * WORKERS) as threads:
            self._results = dict(zip(self._numbers, threads.map(self._call, self._numbers), strict=True))
        yield

    def result(self, number: int) -> object:
        """What the call returned."""
        return self._results[number]


PEER = Peer()
