"""What a task prints in the in-process mode: it is kept as ever, and shown where the test's own output goes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from supervisor.wire.talk import Kind
from supervisor.worker.logs import TaskHandler
from supervisor.worker.output import Talk


class NearTalk(Talk):
    """Has the broker read before the pipe is full, since nobody else does. ``read`` does it."""

    def __init__(self, pipe: int, raw: int, read: Callable[[], None]) -> None:
        super().__init__(pipe, raw, raw)
        os.set_blocking(pipe, False)
        self._write_ends = (pipe, raw)
        self._read = read

    def write(self, data: bytes, kind: Kind = Kind.OUTPUT) -> None:
        if self.lease:  # else it is said by something that a task has left behind
            super().write(data, kind)

    def put(self, frame: bytes) -> None:
        try:
            super().put(frame)
        except BlockingIOError:
            self._read()
            super().put(frame)

    def close(self) -> None:
        """Let go of the pipes."""
        for descriptor in (*self._write_ends, self._raw):
            os.close(descriptor)


class _Tee:
    """A stream in the place of ``sys.stdout`` or ``sys.stderr`` while a task runs; all but text goes past it."""

    def __init__(self, outside: Any, talk: Talk) -> None:
        self.outside = outside
        self._talk = talk

    def __getattr__(self, name: str) -> Any:
        return getattr(self.outside, name)

    def write(self, text: str) -> int:
        """Into the pipe, and to where it would have gone."""
        self._talk.write(text.encode("utf-8", "backslashreplace"))
        self.outside.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Several."""
        for line in lines:
            self.write(line)


@contextmanager
def taken_down(talk: Talk, handler: logging.Handler) -> Generator[None]:
    """While this lasts, what is printed and logged belongs to the attempt that talks.

    The level of the root logger is the test's business, as pytest's own ``caplog`` has it.
    """
    before = sys.stdout, sys.stderr
    # A task that runs while another waits for it: what it prints is its own alone.
    mine: list[Any] = [_Tee(stream.outside if isinstance(stream, _Tee) else stream, talk) for stream in before]
    sys.stdout, sys.stderr = mine
    others = [other for other in logging.root.handlers if isinstance(other, TaskHandler)]
    for other in others:
        logging.root.removeHandler(other)
    logging.root.addHandler(handler)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
        for other in others:
            logging.root.addHandler(other)
        sys.stdout, sys.stderr = before
