"""The two prctl(2) settings that keep a tree of processes together."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_subreaper() -> None:
    """Become the parent of every orphaned descendant, also of those that called ``setsid``."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, signum: int = signal.SIGKILL) -> bool:
    """Get ``signum`` when the parent dies; False if the parent is not ``parent`` (any more).

    The setting acts only on a death that comes later, so the parent is compared after it was made. It is cleared
    by a change of uid, and must then be made again.
    """
    _prctl(_PR_SET_PDEATHSIG, signum)
    return os.getppid() == parent
