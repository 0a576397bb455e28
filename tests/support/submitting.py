"""A client in a process of its own: submits numbers, and notes what was accepted. ``FOLDER RUNS ACCEPTED FIRST``

Half of it the blocking way, half with asyncio. Run as a script, so that a test may kill it at any point.
"""

from __future__ import annotations

import asyncio
import os
import sys

from supervisor import TaskQueue, faults
from tests.support import bad_tasks


async def submit(queue: TaskQueue, runs: str, accepted: int, first: int) -> None:
    """Until somebody ends us."""
    number = first
    while True:
        for told in (
            queue.submit(bad_tasks.note_number, runs, number),
            await queue.asubmit(bad_tasks.note_number, runs, number + 1),
        ):
            os.write(accepted, f"{number} {told}\n".encode())
            number += 1
        await asyncio.sleep(0.002)


if __name__ == "__main__":
    faults.play("client")
    folder, path, told, begin = sys.argv[1:]
    descriptor = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    asyncio.run(submit(TaskQueue(folder, timeout=30.0), path, descriptor, int(begin)))
