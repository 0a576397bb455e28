"""Tasks that use what there is: present, and unused while the one that does nothing is measured."""

from __future__ import annotations

from supervisor import on_death, schedule, task, track


@task(max_retries=5, retry_on=(OSError,), retry_delay=2.0)
def retried() -> None:
    """Retries."""


@on_death
def mourn(task: object) -> None:
    """A hook that is called when a task has died."""


@task(limit=2, limit_key="key", rate="10/s")
def limited() -> None:
    """Has a limit and a rate."""


@task
def tells() -> None:
    """Tells how far it is, and prints."""
    for number in track(range(10)):
        print(number)


@schedule(cron="0 4 * * *")
@task
def nightly() -> None:
    """Is scheduled."""
