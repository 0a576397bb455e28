"""A task that takes memory until someone minds."""

import time

from supervisor import current_task, task

BITE = 10_000_000
LAST = 100
"""Bites after which it is full: a gigabyte, should nobody mind."""


@task(name="memory-hog", timeout=20, memory_limit="200M", max_retries=0)
def hoard() -> None:
    """Take ten megabytes at a time, and give nothing back."""
    hoarded = []
    for bite in range(1, LAST + 1):
        hoarded.append(b"x" * BITE)
        current_task().progress(bite * BITE, None, f"{bite * BITE // 1_000_000} MB taken")
        time.sleep(0.1)
