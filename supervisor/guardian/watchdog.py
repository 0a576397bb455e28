"""systemd's watchdog over a Gunicorn with a supervisor attached, fed by the guardian.

Gunicorn's arbiter has no loop of ours that could feed it. A guardian that feeds says three things: it runs itself, so
a master that dies or hangs is replaced; and no owner of the tree is stopped, of which nobody else would take notice.
It says nothing of the broker or the tasks: what is wrong with these is not mended by ending the web server.
"""

from __future__ import annotations

import select
import time

from supervisor import owners
from supervisor.directory import Directory
from supervisor.system import proc
from supervisor.system.notify import Notifier

_SLICE_SECONDS = 0.5


class WatchdogFeeder:
    """Feeds ``notifier``'s watchdog, if it has one, when it is looked after."""

    def __init__(self, notifier: Notifier, directory: Directory) -> None:
        self._notifier = notifier
        self._directory = directory
        self._next = 0.0

    def look(self) -> None:
        """Feed it if it is time; to be called twice a second or so."""
        pause, now = self._notifier.pause, time.monotonic()
        if pause is None or now < self._next:
            return
        self._next = now + pause
        living = owners.living(self._directory.owners)
        if living and not any(proc.state(owner.who.pid) in ("T", "t") for owner in living):
            self._notifier.feed()

    def rest(self, seconds: float) -> None:
        """Sleep, and feed it meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.look()
            select.select([], [], [], min(left, _SLICE_SECONDS))
