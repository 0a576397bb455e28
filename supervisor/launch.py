"""Starting our own processes: exec'd afresh, in a session of their own, holding only what is handed to them.

Exec, since a forked copy would keep the locks, threads and connections of its parent; with everything else closed,
since a child that keeps Gunicorn's listening socket keeps its port.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.settings import Settings
from supervisor.system import notify
from supervisor.system.notify import NOBODY, Notifier

_OWNERS_OWN = frozenset(
    {"GUNICORN_PID", "GUNICORN_FD", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}
    | {notify.SOCKET, notify.WATCHDOG_PID, notify.WATCHDOG_USEC}
)
"""Variables that speak to the owner's process alone: whose successor it is, its sockets, systemd's line to it."""
EXIT_FAILED = 70
"""Our processes end with 0, 1 or this; never with 3 or 4, which Gunicorn up to 26.0 takes for its own workers' word."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a tree of processes is to run, as its owner says."""

    settings: Settings
    title: str = ""
    """Prefix of every process title."""
    chdir: str = "."
    """The application's directory: working directory and first on the import path."""
    python_path: tuple[str, ...] = ()
    """More directories for the import path."""
    uid: int | None = None
    gid: int | None = None
    umask: int = 0o022
    """For the files that tasks make."""
    reload: bool = False
    """Load task code anew when its files change."""
    log: str = ""
    """The file that our own lines go to; empty for stderr."""
    cpus: tuple[int, ...] = ()
    """Those that the owner may use. A web worker that starts the tree anew is pinned to fewer."""
    watchdog: Notifier = NOBODY
    """Whose watchdog the guardian feeds, since the owner has no loop of ours; nobody's where the owner feeds it."""

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return {
            "settings": self.settings.to_json(),
            "title": self.title,
            "chdir": self.chdir,
            "python_path": list(self.python_path),
            "uid": self.uid,
            "gid": self.gid,
            "umask": self.umask,
            "reload": self.reload,
            "log": self.log,
            "cpus": list(self.cpus),
            "watchdog": [self.watchdog.address, self.watchdog.watchdog_usec],
        }

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Spec:
        """What :meth:`to_json` wrote."""
        settings, paths, cpus = data["settings"], data["python_path"], data.get("cpus", [])
        watchdog = data.get("watchdog", ["", 0])
        uid, gid = data["uid"], data["gid"]
        assert isinstance(settings, dict)
        assert isinstance(paths, list)
        assert isinstance(cpus, list)
        assert isinstance(watchdog, list)
        return cls(
            settings=Settings.from_json(settings),
            title=str(data["title"]),
            chdir=str(data["chdir"]),
            python_path=tuple(map(str, paths)),
            uid=uid if isinstance(uid, int) else None,
            gid=gid if isinstance(gid, int) else None,
            umask=int(str(data["umask"])),
            reload=bool(data["reload"]),
            log=str(data.get("log", "")),
            cpus=tuple(map(int, cpus)),
            watchdog=Notifier(str(watchdog[0]), int(watchdog[1])),
        )


def spec_file(spec: Spec) -> int:
    """An anonymous file that holds a spec; the descriptor to hand down."""
    descriptor = os.memfd_create("supervisor-spec", os.MFD_CLOEXEC)
    os.write(descriptor, json.dumps(spec.to_json()).encode())
    return descriptor


def read_spec(descriptor: int) -> Spec:
    """The spec behind a descriptor that was handed down (it may be read again by a later child)."""
    size = os.fstat(descriptor).st_size
    found: dict[str, object] = json.loads(os.pread(descriptor, size, 0))
    return Spec.from_json(found)


@dataclass(frozen=True, slots=True)
class Started:
    """A process that was started; ``pidfd`` names it even after its pid was given to another."""

    pid: int
    pidfd: int

    def ended(self, timeout: float = 0.0) -> bool:
        """Whether it has ended, or does within so many seconds, whoever reaps it."""
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return bool(poller.poll(timeout * 1000))


def start(module: str, arguments: Sequence[str], descriptors: Sequence[int]) -> Started:
    """Run ``python -m module`` with only these descriptors (and the standard ones), in a new session."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        pass_fds=tuple(descriptors),
        close_fds=True,
        start_new_session=True,
        umask=0o077,
        cwd="/",
        env=environment(),
    )
    started = Started(process.pid, os.pidfd_open(process.pid))
    process.returncode = 0  # we follow it by pidfd; Popen must neither wait for it nor warn that nobody did
    return started


def environment() -> dict[str, str]:
    """Our environment, with the place this package was imported from, in case that is no installed one."""
    found = {name: value for name, value in os.environ.items() if name not in _OWNERS_OWN}
    here = str(Path(__file__).resolve().parent.parent)
    if "site-packages" not in here:
        paths = found.get("PYTHONPATH", "").split(os.pathsep)
        found["PYTHONPATH"] = os.pathsep.join([here, *(path for path in paths if path and path != here)])
    return found
