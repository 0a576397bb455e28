"""Which settings can be changed while the system runs, and how a change is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from supervisor.settings.check import Check
from supervisor.settings.host import Host
from supervisor.settings.model import Settings
from supervisor.settings.nearest import did_you_mean
from supervisor.settings.rule import FAULTS
from supervisor.settings.spec import specs

WORKERS = (
    "workers",
    "min_workers",
    "max_workers",
    "worker_idle_timeout",
    "max_waiting",
    "max_tasks",
    "max_tasks_jitter",
    "max_age",
    "max_memory",
    "memory_budget",
    "cancel_grace",
)
"""What the master goes by."""
TASKS = (
    "timeout",
    "soft_timeout",
    "max_retries",
    "retry_delay",
    "backoff",
    "max_delay",
    "retry_jitter",
    "crash_budget",
    "abort_budget",
    "memory_limit",
    "batch_time",
    "batch_size",
    "queue_limit",
    "queue_limits",
    "result_ttl",
    "record_ttl",
    "dead_ttl",
)
"""What the broker goes by."""
CHANGEABLE = frozenset(WORKERS) | frozenset(TASKS)
_IMPORT = "it is read when the tasks are imported: change it in the configuration and reload"
_START = "it is read at the start: change it in the configuration and restart"
_WHY_NOT: dict[str, str] = dict.fromkeys(
    ("tasks", "cpus", "nice", "reload", "import_timeout", "ready_timeout"), _IMPORT
)


def merge(base: Settings, values: Mapping[str, object]) -> Settings:
    """Settings with some values, as plain data, in the place of others. SettingsError for one that makes no sense."""
    return Settings.from_json({**base.to_json(), **values}) if values else base


def faults_of(changed: Mapping[str, object], reset: Iterable[str]) -> list[str]:
    """A sentence for each name that cannot be changed, and for each value that makes no sense."""
    known = specs(Settings)
    found: list[str] = []
    for name in (*changed, *reset):
        if name in CHANGEABLE:
            continue
        hint = did_you_mean(name, CHANGEABLE)
        if name not in known:
            found.append(f"unknown setting {name!r}" + (f": {hint}" if hint else ""))
        else:
            found.append(f"{name} cannot be changed while the supervisor runs: {_WHY_NOT.get(name, _START)}")
    for name in CHANGEABLE & changed.keys():
        try:
            known[name].kind.read(changed[name])
        except (ValueError, TypeError):
            found.append(f"{name} must be {known[name].kind.expects}, not {changed[name]!r}")
    if not found and changed.get("workers") is not None and known["workers"].kind.read(changed["workers"]) == 0:
        found.append("workers must be at least 1 here; to hand nothing out, pause the queue or drain it")
    return found


def plain(name: str, value: object) -> object:
    """A value as plain data, whatever form it was written in."""
    kind = specs(Settings)[name].kind
    return kind.plain(kind.read(value))


def broken_rules(settings: Settings, changed: Iterable[str]) -> list[str]:
    """A sentence for each rule that these settings break together."""
    names = set(changed)
    origins = {name: "configure(...)" if name in names else "in force" for name in specs(Settings)}
    rules = [rule for rule in FAULTS if rule.names & names]
    return Check(settings, origins, Host.here(settings.dir.parent)).broken(rules)


def in_force(settings: Settings) -> dict[str, Any]:
    """Every setting that can be changed, with its value, as plain data."""
    told = settings.to_json()
    return {name: told[name] for name in (*WORKERS, *TASKS)}
