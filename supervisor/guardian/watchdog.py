"""systemd's watchdog over a Gunicorn with a supervisor attached, fed by the guardian.

Gunicorn's arbiter has no loop of ours that could feed it. It is fed while the loops of master and broker turn, and no
owner of the tree is stopped, of which nobody else would take notice. A master or broker that hangs is replaced long
before the watchdog barks, so it does where that has not helped: a broker that finds its journal damaged, too, ends the
web server again and again. Therefore it is no part of the units of a Gunicorn with a supervisor unless asked for.
"""

from __future__ import annotations

import time

from supervisor import owners
from supervisor.directory import Directory
from supervisor.scoreboard import Header, Scoreboard
from supervisor.system import proc
from supervisor.system.notify import Notifier
from supervisor.system.pulse import Pulse


class WatchdogFeeder:
    """Feeds ``notifier``'s watchdog, if it has one, when it is looked after. ``silence`` is how many seconds master and
    broker may give no sign of life and still count as well.
    """

    def __init__(self, notifier: Notifier, directory: Directory, board: Scoreboard, silence: float) -> None:
        self._notifier = notifier
        self._directory = directory
        self._board = board
        self._silence_ns = int(silence * 1e9)
        self._master, self._broker = Pulse(), Pulse()
        self._next = 0.0

    def look(self) -> None:
        """Feed it if it is time and all is well; to be called twice a second or so."""
        pause = self._notifier.pause
        if pause is None:
            return
        # Both are looked at each time, since silence is counted from look to look.
        turning = [
            self._turns(self._master, Header.MASTER_BEAT_NS),
            self._turns(self._broker, Header.BROKER_BEAT_NS),
        ]
        now = time.monotonic()
        if all(turning) and now >= self._next:
            self._next = now + pause
            self._feed()

    def _turns(self, pulse: Pulse, beat: Header) -> bool:
        return pulse.silent_ns(self._board.get(beat), time.monotonic_ns()) <= self._silence_ns

    def _feed(self) -> None:
        """Feed it, unless an owner is stopped."""
        living = owners.living(self._directory.owners)
        if living and not any(proc.is_stopped(owner.who.pid) for owner in living):
            self._notifier.feed()
