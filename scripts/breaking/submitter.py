"""Submits tasks of all kinds until it is ended, and notes each that was accepted: ``SEED FIRST WEB``.

``WEB`` is the address of the web server, through which every third goes; the others go straight into the queue.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import sys
import time

from scripts.breaking import tasks
from supervisor import queue
from supervisor.errors import SupervisorError

_DOCUMENTED = {"QueueUnavailableError", "QueueFullError", "QueueClosedError", "QueueDrainingError"}
_PAUSE = 0.004


class Submitter:
    """One process that submits."""

    def __init__(self, seed: int, first: int, web: str) -> None:
        self._chance = random.Random(seed)
        self._number = first
        self._web = web
        self._told = os.open(tasks.FOLDER / "accepted", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._faults = os.open(tasks.FOLDER / "faults.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def go_on(self) -> None:
        """Submit one task."""
        kinds = list(tasks.KINDS)
        (kind,) = self._chance.choices(kinds, [tasks.KINDS[each][2] for each in kinds])
        number, self._number = self._number, self._number + 1
        found = self._by_web(kind, number) if number % 3 == 0 else self._straight(kind, number)
        if found:
            os.write(self._told, f"{found} {kind} {number}\n".encode())

    def _straight(self, kind: str, number: int) -> str:
        try:
            return tasks.submit(kind, number)
        except SupervisorError as error:
            self._refused(type(error).__name__, str(error))
        return ""

    def _by_web(self, kind: str, number: int) -> str:
        connection = http.client.HTTPConnection(self._web, timeout=30)
        try:
            connection.request("GET", f"/{kind}/{number}")
            response = connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException):
            return ""  # a web worker or the arbiter was killed: nobody has said that it was accepted
        finally:
            connection.close()
        if response.status == 200:
            return body
        self._refused(body, f"from the web, {response.status}")
        return ""

    def _refused(self, name: str, text: str) -> None:
        word = "refused" if name in _DOCUMENTED else "UNDOCUMENTED"
        os.write(self._faults, f"{word} {name} {text.splitlines()[0][:200] if text else ''}\n".encode())


def main(seed: int, first: int, web: str) -> None:
    """Until TERM."""
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    submitter = Submitter(seed, first, web)
    while not ended:
        submitter.go_on()
        time.sleep(_PAUSE)
    queue.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
