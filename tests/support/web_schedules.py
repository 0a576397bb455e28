"""A schedule that never fires by itself while a test runs."""

from __future__ import annotations

from supervisor import schedule, task


@schedule(cron="0 3 1 1 *", zone="Europe/Berlin", name="new/year")
@task
def new_year(year: int = 2000) -> int:
    return year + 1
