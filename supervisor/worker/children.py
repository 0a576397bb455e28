"""The processes that tasks start: ordinary ones from their birth, and gone when their task has ended."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import threading
from multiprocessing import forkserver, resource_tracker

from supervisor import signals
from supervisor.master.reaper import kill, sweep
from supervisor.system import proc

_waitpid = ctypes.CDLL(
    None
).waitpid  # after each task: os.waitpid raises where there is nobody, which takes twice as long
_TRIES = 3
_OURS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signals.RETIRE, signals.CANCEL
)  # fmt: skip


class Leftovers:
    """Kills what a task started and did not end, but for what was there before or was left on purpose.

    We are a subreaper: whatever was double-forked or has its own session is our child once its parents are gone. So
    one system call tells, in the common case, that there is nobody.
    """

    def __init__(self) -> None:
        self._kept: set[proc.Identity] = set()
        self.keep()

    def keep(self) -> None:
        """Let everything live that is there now. It lives as long as this worker."""
        found = (proc.identity(pid) for pid in proc.descendants(os.getpid()))
        self._kept = {who for who in found if who is not None}

    def kill(self) -> bool:
        """Kill and reap the others; False when they cannot be got rid of from here."""
        if _waitpid(-1, None, os.WNOHANG) == -1:
            return True
        helpers = _helpers()
        for helper in helpers:
            for each in proc.descendants(helper):
                kill(each)
        spared = {who.pid for who in self._kept if proc.is_alive(who)} | helpers
        return any(sweep(lambda: spared).clean for _ in range(_TRIES))


def _helpers() -> set[int]:
    """The processes that multiprocessing keeps for itself. It counts on their living as long as this one, and fails
    when they have been reaped behind its back.
    """
    pids = (
        getattr(getattr(resource_tracker, "_resource_tracker", None), "_pid", None),
        getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None),
    )
    return {pid for pid in pids if pid is not None}


def free_from_birth() -> None:
    """See to it that what a task forks is an ordinary process, which ends when it is asked to (multiprocessing's
    ``terminate`` does), and whose crash is not taken for ours. What is exec'd is that in any case.
    """
    ours = {signum: signal.getsignal(signum) for signum in _OURS}
    mask = threading.local()

    def hold_back() -> None:
        # A child may be asked to end before it is ready for that: the signal waits until it is.
        mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)

    def go_on() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask.before)

    def become_ordinary() -> None:
        for signum, handler in ours.items():
            if signal.getsignal(signum) is handler:
                usual = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
                signal.signal(signum, usual)
        faulthandler.unregister(signals.DUMP)
        faulthandler.enable(file=2)  # into what the task prints
        go_on()

    os.register_at_fork(before=hold_back, after_in_parent=go_on, after_in_child=become_ordinary)
