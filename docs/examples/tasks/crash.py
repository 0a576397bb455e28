"""A crash that no `except` sees."""

import ctypes

from supervisor import task


@task(name="segfault", timeout=3, max_retries=0)
def segfault() -> None:
    """Read the memory at address 0."""
    print("Reading address 0.", flush=True)
    ctypes.string_at(0)
