"""A local tree as the process sees it that started it."""

from __future__ import annotations

import atexit
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from supervisor.directory import Directory
from supervisor.errors import LocalTreeError, QueueUnavailableError
from supervisor.launch import Spec, Started, spec_file, start
from supervisor.master.control import ask
from supervisor.settings import Settings
from supervisor.tree import Tree

_DEFAULTS: Mapping[str, object] = {"cpus": "off", "grace": 5.0, "log_level": "warning"}
_LOOK_SECONDS = 0.02
_MARGIN_SECONDS = 30.0


class LocalTree:
    """Started when it is first needed; ended by :meth:`end`, and with this process, even by its SIGKILL.

    ``chosen`` are settings, of which ``dir`` may be None: a temporary directory then, gone with the tree.
    """

    def __init__(self, chosen: Mapping[str, Any]) -> None:
        self._chosen = dict(chosen)
        self._lock = threading.Lock()
        self._pid = 0
        self._started: Started | None = None
        self._grace = 0.0
        self.directory: Path | None = None
        """Where it runs; None while it does not."""

    def start(self) -> Path:
        """Start it, unless it runs, and wait for its first worker; its directory.

        Raises SettingsError, AlreadyRunningError, and LocalTreeError where its tasks cannot be imported, say.
        """
        with self._lock:
            if self.directory is None:
                self._start()
            assert self.directory is not None
            return self.directory

    def _start(self) -> None:
        given = self._chosen.get("dir")
        place = Path(given or tempfile.mkdtemp(prefix="supervisor-")).absolute()
        safety = {} if given else {"durability": "normal"}  # a temporary journal has no power loss to survive
        try:
            chosen = {**_DEFAULTS, **safety, **self._chosen, "dir": place}
            settings = Settings.load(command_line=chosen).settings
            if settings.workers == 0:
                raise LocalTreeError("workers=0 leaves nobody to run its tasks; choose 1 or more")
            spec = Spec(settings, "local", os.getcwd(), tuple(path for path in sys.path if path), umask=_umask())
            Tree.check(spec)
            self._launch(spec, temporary=not given)
            self.directory, self._grace = place, settings.grace
            self._await_ready(settings)
        except BaseException:
            self._end()
            if not given:
                shutil.rmtree(place, ignore_errors=True)
            raise
        atexit.register(self.end)

    def _launch(self, spec: Spec, *, temporary: bool) -> None:
        described = spec_file(spec)
        arguments = [f"--spec={described}", f"--owner={os.getpid()}", *(["--temporary"] if temporary else [])]
        self._started, self._pid = start("supervisor.local", arguments, [described]), os.getpid()
        os.close(described)

    def _await_ready(self, settings: Settings) -> None:
        assert self._started is not None
        until = time.monotonic() + settings.import_timeout + settings.ready_timeout
        while time.monotonic() < until:
            if select.select([self._started.pidfd], [], [], _LOOK_SECONDS)[0]:
                raise LocalTreeError("it ended at once; its words are above")
            with suppress(QueueUnavailableError):
                status: Any = ask(Directory(settings.dir), "status", timeout=1.0)
                if status["ready"]:
                    return
                if status["template"]["error"]:
                    raise LocalTreeError(f"its tasks cannot be imported:\n{status['template']['error']}")
        raise LocalTreeError("no worker got ready in time")

    def end(self) -> bool:
        """End it, unless it is not ours (a copy in a forked process); what runs has the setting ``grace``. Whether."""
        with self._lock:
            if self.directory is None or self._pid != os.getpid():
                return False
            atexit.unregister(self.end)
            self._end()
            return True

    def _end(self) -> None:
        started, self._started, self.directory = self._started, None, None
        if started is None:
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(started.pidfd, signal.SIGTERM)
        if not select.select([started.pidfd], [], [], self._grace + _MARGIN_SECONDS)[0]:
            signal.pidfd_send_signal(started.pidfd, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(started.pid, 0)
        os.close(started.pidfd)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
