"""Looking at an attempt while it runs: CPU time, the most memory it had, and where the time went."""

from __future__ import annotations

import cProfile
import io
import os
import pstats
import resource
import threading
from collections.abc import Callable
from typing import TypeVar

from supervisor.log import log
from supervisor.wire.messages import ProfileData
from supervisor.wire.talk import Kind, encode_profile
from supervisor.worker.output import Talk

T = TypeVar("T")
_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 1.0
_LINES = 40
_MOST_TEXT = 32 * 1024


class Profiler:
    """One attempt's. What it takes is told again and again, so that something is known of one that is killed."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._pid = os.getpid()
        self._before = _cpu()
        self._own_peak = _forget_peak()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._tell_on, name="profile", daemon=True)
        self._profile: cProfile.Profile | None = cProfile.Profile()

    def run(self, function: Callable[[], T]) -> T:
        """Run it, and tell what it took, however it ends."""
        self._tell("")
        self._watch.start()
        try:
            return self._profiled(function)
        finally:
            if os.getpid() == self._pid:
                self._ended.set()
                self._watch.join()
                self._tell(self._text())

    def _profiled(self, function: Callable[[], T]) -> T:
        try:
            if self._profile is not None:
                self._profile.enable()
        except ValueError as error:  # another profiler is at work in this process
            log.warning("task %s has a profile without functions: %s", self._talk.lease, error)
            self._profile = None
        try:
            return function()
        finally:
            if self._profile is not None:
                self._profile.disable()

    def _tell_on(self) -> None:
        pause = _FIRST_SECONDS
        while not self._ended.wait(pause):
            self._tell("")
            pause = min(_LONGEST_SECONDS, 2 * pause)

    def _tell(self, text: str) -> None:
        peak = _peak(own=self._own_peak)
        self._talk.send(Kind.PROFILE, encode_profile(ProfileData(_cpu() - self._before, peak, text)))

    def _text(self) -> str:
        if self._profile is None:
            return ""
        out = io.StringIO()
        try:
            pstats.Stats(self._profile, stream=out).sort_stats("cumulative").print_stats(_LINES)
        except TypeError:  # nothing was seen: the task ended before it began, say, or took the profiler away
            return ""
        return out.getvalue().strip()[:_MOST_TEXT]


def _cpu() -> float:
    """CPU seconds of this process, and of its children that were waited for."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _forget_peak() -> bool:
    """Have the kernel begin anew with the most memory that we had; whether it does."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False  # not everywhere: then it is that of all our life
    return True


def _peak(*, own: bool) -> int:
    if own:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
