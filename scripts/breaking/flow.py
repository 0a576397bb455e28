"""A steady stream of tasks of all kinds, some through the web server, whose answers are timed."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from scripts.breaking import tasks
from supervisor import queue
from supervisor.errors import SupervisorError

_STRAIGHT_RATE = 40.0
_WEB_RATE = 20.0


class Flow:
    """Two threads, so many tasks a second each, whatever the answers take."""

    def __init__(self, dir: Path, web: str) -> None:  # noqa: A002
        self._dir = dir
        self._web = web
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._beat, args=(_STRAIGHT_RATE, self._straight)),
            threading.Thread(target=self._beat, args=(_WEB_RATE, self._by_web)),
        ]
        self._chance = random.Random(1)
        self._times: list[float] = []
        self.accepted = 0
        self.requests = 0
        self.refused: list[str] = []

    def start(self) -> None:
        """Begin."""
        queue.use(self._dir)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; nothing is submitted any more when this returns."""
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        queue.close()

    def take_times(self) -> list[float]:
        """What each request took since the last call, in seconds."""
        taken, self._times = self._times, []
        return taken

    def _beat(self, rate: float, step: Callable[[int], None]) -> None:
        number, due = 0, time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due += 1 / rate
            number += 1
            step(number)

    def _straight(self, number: int) -> None:
        kinds = list(tasks.KINDS)
        (kind,) = self._chance.choices(kinds, [tasks.KINDS[each][2] for each in kinds])
        try:
            _ = tasks.submit(kind, number)
            self.accepted += 1
        except SupervisorError as error:
            self.refused.append(f"{type(error).__name__}: {error}")

    def _by_web(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._web, timeout=30)
        began = time.monotonic()
        try:
            connection.request("GET", f"/short/{number}")
            response = connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.refused.append(f"by the web: {error!r}")
            return
        finally:
            connection.close()
        self._times.append(time.monotonic() - began)
        self.requests += 1
        if response.status == 200:
            self.accepted += 1
        else:
            self.refused.append(f"by the web: {response.status} {body}")
