"""Tasks that end close to their deadline, or beyond it. The template imports them, so that they start at once."""

from __future__ import annotations

from supervisor import current_task, task


@task
def end_at(left: float) -> float:
    """Works until so many seconds are left of its time; less than none: it is late."""
    here = current_task()
    while (now := here.time_left()) is not None and now > left:
        pass
    return left


@task
def loop() -> None:
    """For ever."""
    while True:
        pass
