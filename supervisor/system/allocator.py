"""Memory that was freed, and that the C library keeps."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Have the C library give back to the kernel what it does not use; nothing where it is another than glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
