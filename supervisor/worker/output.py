"""What a task prints, on its way into the pipe: exactly attributed, and out of this process at once."""

from __future__ import annotations

import io
import os
import sys
import time
from typing import Any

from supervisor.wire.messages import ProgressData
from supervisor.wire.talk import Kind, frames, progress_frame

_PROGRESS_SECONDS = 0.1


class Talk:
    """The writing end of the talk pipe, and which attempt is speaking."""

    def __init__(self, pipe: int, outside: int) -> None:
        self.lease = 0
        """The attempt that runs; 0 between tasks, when what is said goes to the supervisor's own stderr."""
        self._pipe = pipe
        self._outside = outside
        self._next_progress = 0.0

    def install(self) -> None:
        """Put ourselves in the place of ``sys.stdout`` and ``sys.stderr``."""
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            raw: Any = _Raw(self, descriptor)  # unbuffered: what is printed must be out before a kill
            stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
            setattr(sys, name, stream)

    def write(self, data: bytes) -> None:
        """Say something. A pipe that nobody reads any more is no reason for a task to fail."""
        try:
            if not self.lease:
                os.write(self._outside, data)
                return
            for frame in frames(Kind.OUTPUT, self.lease, data):
                os.write(self._pipe, frame)
        except OSError:
            return

    def progress(self, progress: ProgressData) -> None:
        """Tell how far the task is; at most ten times a second, but the last (done ≥ total) always."""
        now = time.monotonic()
        finished = progress.total is not None and progress.done >= progress.total
        if now < self._next_progress and not finished:
            return
        self._next_progress = now + _PROGRESS_SECONDS
        try:
            os.write(self._pipe, progress_frame(self.lease, progress))
        except OSError:
            return

    def begin(self, lease: int) -> None:
        """An attempt begins."""
        self.lease = lease
        self._next_progress = 0.0

    def end(self) -> None:
        """It is over. Nothing is buffered, so there is nothing to flush."""
        self.lease = 0


class _Raw(io.RawIOBase):
    """The bytes below ``sys.stdout``; ``fileno`` is the raw pipe's, for subprocesses that are given it."""

    def __init__(self, talk: Talk, descriptor: int) -> None:
        super().__init__()
        self._talk = talk
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return False

    def write(self, data: Any) -> int:
        """Into the pipe, at once."""
        whole = bytes(data)
        self._talk.write(whole)
        return len(whole)
