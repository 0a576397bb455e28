"""Telling systemd how ``supervisor run`` fares: ready when tasks are taken and run, well while the tree answers.

One word a second at most, and none where nobody listens. The owner is the service's main process, so it is the one
that speaks; its children neither know of systemd's line nor may use it.
"""

from __future__ import annotations

import time

from supervisor.directory import Directory
from supervisor.log import log
from supervisor.system.notify import Notifier
from supervisor.tree_pulse import TreePulse, look

_LOOK_SECONDS = 1.0
_HURRY_SECONDS = 0.1
"""Between two looks while systemd waits for the end of a start or a reload."""
_ANSWER_SECONDS = 1.0
_EXTENSION_SECONDS = 10.0
"""How long systemd waits at most for the next sign of life, while it starts or drains."""


class Announcer:
    """One service's words. ``silence`` is how many seconds a broker may be silent and still count as well."""

    def __init__(self, notifier: Notifier, directory: Directory, silence: float) -> None:
        self._notifier = notifier
        self._directory = directory
        self._silence = silence
        self._pause = min(_LOOK_SECONDS, notifier.pause or _LOOK_SECONDS)
        self._next = 0.0
        self._settling = True
        """Whether a start or a reload is under way, of which systemd waits for the end."""
        self._started = False
        self._status = ""
        self._say_from = self._extend_from = 0.0

    def patience(self) -> float | None:
        """Seconds until :meth:`look` has something to do; None where nobody listens."""
        return max(0.0, self._next - time.monotonic()) if self._notifier else None

    def look(self) -> None:
        """Look at the tree if that is due, and tell what has changed."""
        if not self._notifier or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (_HURRY_SECONDS if self._settling else self._pause)
        pulse = look(self._directory, _ANSWER_SECONDS)
        if pulse is None:
            self._say(f"no task can run: the master {'does not answer' if self._started else 'is starting'}")
            return
        if pulse.well(self._silence):
            self._notifier.feed()
        if self._settling:
            self._settle(pulse)
        else:
            self._say(pulse.status)

    def _settle(self, pulse: TreePulse) -> None:
        done = pulse.settled if self._started else pulse.started
        if not done:
            # An import, or a deep queue that is read, has its own limit, and systemd's is not to cut it short.
            self._extend()
            self._say(pulse.status)
            return
        self._settling, self._started = False, True
        self._notifier.ready(self._note(pulse.status))
        log.debug("systemd was told: ready, %s", self._status)

    def reloading(self) -> None:
        """New code is about to be imported."""
        if self._started:
            self._settling, self._next = True, 0.0
            self._notifier.reloading(self._note("new code is being imported"))

    def stopping(self) -> None:
        """The end begins."""
        self._next = 0.0
        self._notifier.stopping(self._note("stopping"))

    def draining(self) -> None:
        """The tree is being waited for; to be called often."""
        if not self._notifier or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LOOK_SECONDS
        self._extend()
        pulse = look(self._directory, _ANSWER_SECONDS)
        if pulse is not None:
            self._say(pulse.status)

    def _extend(self) -> None:
        if time.monotonic() >= self._extend_from:
            self._extend_from = time.monotonic() + _LOOK_SECONDS / 2
            self._notifier.extend(_EXTENSION_SECONDS)

    def _say(self, status: str) -> None:
        if status != self._status and time.monotonic() >= self._say_from:
            self._notifier.status(self._note(status))

    def _note(self, status: str) -> str:
        """What is being said; nothing else is said of less weight for a second."""
        self._status, self._say_from = status, time.monotonic() + _LOOK_SECONDS
        return status
