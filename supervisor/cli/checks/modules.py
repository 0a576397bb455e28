"""Whether the modules that hold the tasks can be imported, tried as the template does it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from supervisor.cli.checks.finding import Finding, fault, ok, warning
from supervisor.cli.checks.trial import MODULE, Failed, Imported, Obstacle, Refused, Trying, Word
from supervisor.cli.text import count, duration
from supervisor.launch import Spec, environment, spec_file
from supervisor.settings import Settings
from supervisor.system import proc

_SUBJECT = "import"
_decode = msgspec.json.Decoder(Word).decode


@dataclass(slots=True)
class _Trial:
    """What the process that tried said, and how it ended."""

    words: list[Word] = field(default_factory=list)
    status: int | None = None
    """Its exit code, negative for a signal; None when it ran out of time."""

    @property
    def trying(self) -> str | None:
        """The module whose import has neither succeeded nor failed."""
        last = self.words[-1] if self.words else None
        return last.module if isinstance(last, Trying) else None


def check(settings: Settings, chdir: str) -> Iterator[Finding]:
    """Import them in a process of its own, which is killed with all that it started after ``import_timeout``."""
    if not settings.tasks:
        yield warning(
            _SUBJECT,
            "no module is named, so none was tried: name those that attach(..., tasks=...) names,"
            " as in `supervisor check myapp.tasks`",
        )
        return
    trial = _try(settings, chdir)
    for word in trial.words:
        if not isinstance(word, Trying):
            yield _finding(word)
    if trial.trying is not None or trial.status != 0:  # on a busy machine it may not even have come to the first
        yield fault(_SUBJECT, f"{trial.trying or 'the application'}: {_ended(trial.status, settings.import_timeout)}")


def _finding(word: Imported | Failed | Refused | Obstacle) -> Finding:
    match word:
        case Imported():
            found = f"{count(word.tasks, 'task')}, {duration(word.seconds)}"
            return ok(_SUBJECT, f"{word.module}: {found}")
        case Failed():
            return fault(_SUBJECT, f"{word.module} cannot be imported:\n{word.reason.rstrip()}")
        case Refused():
            return fault(_SUBJECT, word.sentence)
        case Obstacle():
            return warning(_SUBJECT, f"{word.sentence}; so each worker will import the application for itself")


def _ended(status: int | None, limit: float) -> str:
    if status is None:
        return f"its import was not done after {duration(limit)} (import_timeout)"
    if status < 0:
        return f"its import was killed by {signal.Signals(-status).name}"
    return f"its import ended the process with exit code {status}"


def _try(settings: Settings, chdir: str) -> _Trial:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    described = spec_file(Spec(settings, chdir=chdir))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE, str(described), str(writing), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=2,  # what the application prints must not get into our own output
        pass_fds=(described, writing),
        start_new_session=True,
        env=environment(),
    )
    os.close(writing)
    os.close(described)
    try:
        return _follow(process, reading, settings.import_timeout)
    finally:
        _end(process)
        os.close(reading)


def _follow(process: subprocess.Popen[bytes], reading: int, limit: float) -> _Trial:
    """Wait for its end, not for that of the pipe: a process that the import started may hold it open."""
    os.set_blocking(reading, False)
    trial = _Trial()
    said = b""
    deadline = time.monotonic() + limit
    while trial.status is None and time.monotonic() < deadline:
        with suppress(subprocess.TimeoutExpired):
            trial.status = process.wait(0.02)
        with suppress(BlockingIOError):
            while piece := os.read(reading, 65536):
                said += piece
    trial.words = [_decode(line) for line in said.splitlines()]
    return trial


def _end(process: subprocess.Popen[bytes]) -> None:
    for pid in [*proc.descendants(process.pid), process.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
