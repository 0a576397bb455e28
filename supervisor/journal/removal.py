"""Removing the files of large arguments and results without waiting for the disk.

Freeing a gigabyte takes a file system a while. So a file is renamed at once, which takes it out of everybody's way –
its task may be taken up again and write it anew the next moment – and deleted by a thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from supervisor.log import log


class Remover:
    """The files of one folder; :meth:`close` waits a moment for what is under way.

    What a killed process leaves half done begins with a dot, and goes with the strays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._gone: SimpleQueue[Path | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def remove(self, names: Iterable[str]) -> None:
        """Remove these files; one that is gone already is as good as removed."""
        for name in names:
            trash = self.folder / f".{name.lstrip('.')}.gone"
            with suppress(FileNotFoundError):
                os.rename(self.folder / name, trash)
                self._gone.put(trash)
                self._begin()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="removal", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (path := self._gone.get()) is not None:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s cannot be removed: %s", path, error)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._gone.put(None)
            self._thread.join(timeout=2.0)
