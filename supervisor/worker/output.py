"""What a task prints, on its way into the pipe: exactly attributed, and out of this process at once."""

from __future__ import annotations

import ctypes
import io
import os
import select
import sys
import time
from typing import Any

import msgspec

from supervisor.core.speed import Speed
from supervisor.wire.messages import ProgressData
from supervisor.wire.talk import Kind, LogRecord, frames, letter, progress_frame, record_letter

_PROGRESS_SECONDS = 0.1
_PIECE = 64 * 1024
_LINE_BUFFERED = 1  # _IOLBF of <stdio.h>


class Talk:
    """The writing end of the talk pipe, and which attempt is speaking."""

    def __init__(self, pipe: int, raw: int, outside: int) -> None:
        self.lease = 0
        """The attempt that runs; 0 between tasks, when what is said goes to the supervisor's own stderr."""
        self._pipe = pipe
        self._raw = os.open(f"/proc/self/fd/{raw}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        poll = select.poll()
        poll.register(self._raw, select.POLLIN)
        self._raw_ready = poll.poll
        self._outside = outside
        self._next_progress = 0.0
        self.before = self.now = (sys.stdout, sys.stderr)
        """The standard streams as they were, and as they are."""
        self._speed: Speed | None = None
        self._held: ProgressData | None = None
        """Told too soon after the one before: said at the end, unless another comes."""

    def install(self) -> None:
        """Put ourselves in the place of ``sys.stdout`` and ``sys.stderr``."""
        self.before = sys.stdout, sys.stderr
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            raw: Any = _Raw(self, descriptor)  # unbuffered: what is printed must be out before a kill
            stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
            setattr(sys, name, stream)
        self.now = sys.stdout, sys.stderr
        libc = ctypes.CDLL(None)  # C would keep what it prints into a pipe until 4 KiB are together
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, _LINE_BUFFERED, ctypes.c_size_t(0))

    def write(self, data: bytes, kind: Kind = Kind.OUTPUT) -> None:
        """Say something. A pipe that nobody reads any more is no reason for a task to fail."""
        try:
            if not self.lease:
                os.write(self._outside, data)
                return
            for frame in frames(kind, self.lease, data):
                self.put(frame)
        except OSError:
            return

    def record(self, record: LogRecord) -> None:
        """Say what a task has logged."""
        try:
            for frame in record_letter(self.lease, record):
                self.put(frame)
        except OSError:
            return

    def put(self, frame: bytes) -> None:
        """Write a frame into the pipe, in one piece; waits while it is full."""
        os.write(self._pipe, frame)

    def progress(self, progress: ProgressData) -> None:
        """Tell how far the task is; at most ten times a second, but the last (done ≥ total) always."""
        now = time.monotonic()
        finished = progress.total is not None and progress.done >= progress.total
        if now < self._next_progress and not finished:
            self._held = progress
            return
        self._next_progress = now + _PROGRESS_SECONDS
        self._tell(progress, now)

    def _tell(self, progress: ProgressData, now: float) -> None:
        self._held = None
        speed = self._speed
        if speed is None:
            speed = self._speed = Speed()
        told = msgspec.structs.replace(progress, rate=speed.add(now, progress.done), at=time.time())
        try:
            self.put(progress_frame(self.lease, told))
        except OSError:
            return

    def send(self, kind: Kind, data: bytes) -> None:
        """Tell something that makes sense only as a whole."""
        try:
            for frame in letter(kind, self.lease, data):
                self.put(frame)
        except OSError:
            return

    def begin(self, lease: int) -> None:
        """An attempt begins."""
        self.lease = lease
        self._next_progress = 0.0
        self._speed = None

    def end(self, *, another_follows: bool) -> None:
        """It is over. Of what is printed nothing is buffered, so there is nothing to flush.

        In a batch the next attempt begins before the broker has looked into the raw pipe. So what is still in it is
        taken out here, and said again for this attempt.
        """
        if self._held is not None:
            self._tell(self._held, time.monotonic())
        if another_follows:
            self._take_raw()
        self.lease = 0

    def _take_raw(self) -> None:
        try:
            while self._raw_ready(0):  # asked first, since as a rule it is empty, and an error takes longer to raise
                self.write(os.read(self._raw, _PIECE), Kind.RAW)
        except BlockingIOError:
            return  # the broker was faster


class _Raw(io.RawIOBase):
    """The bytes below ``sys.stdout``; ``fileno`` is the raw pipe's, for subprocesses that are given it."""

    def __init__(self, talk: Talk, descriptor: int) -> None:
        super().__init__()
        self._talk = talk
        self._descriptor = descriptor
        self._kind = Kind.ERRORS if descriptor == 2 else Kind.OUTPUT

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return False

    def write(self, data: Any) -> int:
        """Into the pipe, at once."""
        whole = bytes(data)
        self._talk.write(whole, self._kind)
        return len(whole)
