"""The times of a stop, which have to fit together: of a task, of the tree, of Gunicorn, of systemd."""

from __future__ import annotations

import math
from collections.abc import Iterator

from supervisor.cli.checks.finding import Finding, fault, ok, warning
from supervisor.cli.gunicorn_file import GunicornFile
from supervisor.cli.text import duration
from supervisor.cli.unit import Unit
from supervisor.settings import Settings
from supervisor.tree import MARGIN_SECONDS

_LEFT_BEHIND = ("process", "none")


def check(settings: Settings, gunicorn: GunicornFile | None, unit: Unit | None) -> Iterator[Finding]:
    """Whether each has at least the time of all that it waits for."""
    yield _tasks(settings)
    if gunicorn is not None:
        yield _whole(settings, gunicorn)
    if unit is not None:
        yield _time(settings, gunicorn, unit)
        yield from _manners(unit)
        if gunicorn is not None:
            yield from _under_gunicorn(unit)


def _tasks(settings: Settings) -> Finding:
    limit, grace = settings.timeout, duration(settings.grace)
    if limit is not None and limit <= settings.grace:
        return ok(
            "stop", f"tasks end by themselves: their limit is {duration(limit)} by default, and a stop waits {grace}"
        )
    longest = "have no limit" if limit is None else f"may run for {duration(limit)}"
    return ok("stop", f"tasks {longest} by default; a stop waits {grace} (grace), and what it cuts short runs again")


def _web(gunicorn: GunicornFile | None) -> float:
    return gunicorn.graceful_timeout if gunicorn is not None else 0.0


def _whole(settings: Settings, gunicorn: GunicornFile) -> Finding:
    web, tasks, rest = gunicorn.graceful_timeout, settings.grace, MARGIN_SECONDS
    whole = duration(web + tasks + rest)
    return ok(
        "stop",
        f"Gunicorn takes up to {whole}: {duration(web)} for requests (graceful_timeout), {duration(tasks)} for tasks"
        f" (grace), {duration(rest)} for what does not end; containers and other supervisors have to wait that long",
    )


def _time(settings: Settings, gunicorn: GunicornFile | None, unit: Unit) -> Finding:
    """Where systemd is told that the tasks' part takes longer, it need not be in TimeoutStopSec."""
    web = _web(gunicorn)
    needed = web + MARGIN_SECONDS if unit.notifies else web + settings.grace + MARGIN_SECONDS
    given = unit.timeout_stop
    if given >= needed:
        limit = "sets no limit" if math.isinf(given) else f"waits {duration(given)} (TimeoutStopSec)"
        if unit.notifies and not math.isinf(given):
            before = f"{duration(needed)} before the drain of the tasks, which asks for more by itself"
            return ok("unit", f"{unit.name} {limit}; a stop needs {before}")
        return ok("unit", f"{unit.name} {limit}; a stop needs {duration(needed)}")
    what = "requests that are" if unit.notifies else "requests and tasks that are"
    return fault(
        "unit",
        f"{unit.name} waits {duration(given)} (TimeoutStopSec), and a stop may take {duration(needed)}: systemd would"
        f" kill {what} still allowed to run; set TimeoutStopSec={math.ceil(needed)} or more",
    )


def _manners(unit: Unit) -> Iterator[Finding]:
    if unit.kill_mode in _LEFT_BEHIND:
        yield fault("unit", f"KillMode={unit.kill_mode} leaves processes behind after a stop; set KillMode=mixed")
    if unit.oom_policy != "continue":
        yield warning(
            "unit",
            f"OOMPolicy={unit.oom_policy}: a task that the kernel kills for memory takes the whole service along;"
            " set OOMPolicy=continue",
        )
    if unit.restart != "always":
        yield warning(
            "unit", f"Restart={unit.restart}: a service that dies is not always started again; set Restart=always"
        )


def _under_gunicorn(unit: Unit) -> Iterator[Finding]:
    if unit.command and "gunicorn" not in unit.command:
        yield fault("unit", f"{unit.name} does not start Gunicorn, but {unit.command}; name the unit that does")
    elif unit.watchdog and unit.notify_access != "all":
        yield fault(
            "unit",
            f"NotifyAccess={unit.notify_access}: under Gunicorn the guardian feeds the watchdog (WatchdogSec), and"
            " systemd would not hear it and kill all again and again; set NotifyAccess=all, or leave WatchdogSec out",
        )
