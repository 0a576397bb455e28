"""systemd's line to a service: datagrams of ``NAME=value`` lines to ``$NOTIFY_SOCKET``, as sd_notify(3) sends them.

Of our own, since it is one socket and one ``sendto``: a library for it would be longer to name than to replace.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from supervisor.log import log

SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"


@dataclass(frozen=True, slots=True)
class Notifier:
    """Tells systemd how a service fares, and nobody where there is no systemd.

    Nothing here raises or blocks: a service does not fail since nobody listens.
    """

    address: str = ""
    """A path, or ``@`` and an abstract name; empty where nobody listens."""
    watchdog_usec: int = 0
    """Microseconds within which the watchdog wants to be fed; 0 where there is none."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, *, successor: bool = False) -> Notifier:
        """What systemd told this process, or the one that it succeeds: the watchdog is nobody else's."""
        found = os.environ if environment is None else environment
        address = found.get(SOCKET, "")
        if not address.startswith(("/", "@")):
            return cls()  # none, or of a kind that is no Unix socket
        usec = found.get(WATCHDOG_USEC, "")
        ours = successor or found.get(WATCHDOG_PID, str(os.getpid())) == str(os.getpid())
        return cls(address, int(usec) if usec.isdecimal() and ours else 0)

    def __bool__(self) -> bool:
        return bool(self.address)

    @property
    def pause(self) -> float | None:
        """Seconds between two meals of the watchdog, a third of what it bears; None where there is none."""
        return self.watchdog_usec / 3e6 if self.watchdog_usec else None

    def ready(self, status: str) -> None:
        """It has started, or has ended a reload."""
        self._send("READY=1", f"STATUS={_line(status)}")

    def reloading(self, status: str) -> None:
        """A reload begins; :meth:`ready` ends it."""
        # systemd compares the time with that of its own order (Type=notify-reload), to tell an old word from the new.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", f"STATUS={_line(status)}")

    def stopping(self, status: str) -> None:
        """The end has begun."""
        self._send("STOPPING=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={_line(status)}")

    def extend(self, seconds: float) -> None:
        """Have so much time from now on, whatever TimeoutStartSec or TimeoutStopSec say; to be repeated."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def feed(self) -> None:
        """All is well: the watchdog need not bark."""
        self._send("WATCHDOG=1")

    def main_pid(self, pid: int) -> None:
        """Another process is the main one from now on."""
        self._send(f"MAINPID={pid}")

    def _send(self, *lines: str) -> None:
        if not self.address:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.debug("systemd could not be told %s: %s", lines[0], error)


NOBODY = Notifier()
"""Nobody listens."""


def _line(text: str) -> str:
    return " ".join(text.split())
