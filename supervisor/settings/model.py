"""The settings themselves: one frozen record, each field with its group, kind, default and meaning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from supervisor.errors import SettingsError
from supervisor.settings import source
from supervisor.settings.check import Check
from supervisor.settings.counts import Counts
from supervisor.settings.cpus import CpuList
from supervisor.settings.endpoint import Endpoint, PromFile
from supervisor.settings.gather import Gathered
from supervisor.settings.host import Host
from supervisor.settings.kind import Choice, Duration, Factor, Maybe, Size, Switch, Whole
from supervisor.settings.place import Directory, Modules
from supervisor.settings.rule import FAULTS, WARNINGS
from supervisor.settings.spec import setting, specs
from supervisor.system.cpus import default_workers

K, M, G = 1024, 1024**2, 1024**3
HOUR, DAY = 3600.0, 86400.0
MOST_WORKERS = 1024
MOST_WAITING = 1024
NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set. Durations are seconds, sizes are bytes, None means none or automatic.

    `Settings.load` makes it from every source and checks it; the constructor takes values as they are.
    """

    dir: Path = setting(
        "Where",
        Directory(),
        Path(".supervisor"),
        "Directory of the socket, the key and the journal, made with mode 0700."
        " Taken from the directory of the application unless absolute.",
    )
    tasks: tuple[str, ...] = setting(
        "Where",
        Modules(),
        (),
        "Modules that hold the tasks; the template imports them before it forks workers.",
    )
    reload: bool = setting(
        "Where",
        Switch(),
        False,
        "Load the tasks anew when their source changes, as Gunicorn's `--reload` does; for development.",
    )
    log_level: str = setting(
        "Where",
        Choice(("debug", "info", "warning", "error", "critical")),
        "info",
        "Least severity that the logger `supervisor` writes, what tasks print (`info`) and log included.",
    )
    task_log_level: str = setting(
        "Where",
        Choice(("debug", "info", "warning", "error", "critical")),
        "info",
        "Least severity of what a task gives to `logging` that is kept with it. The level of the root logger is set"
        " to it as well, unless the application has configured that itself.",
    )

    workers: int | None = setting(
        "Workers",
        Maybe(Whole(0, MOST_WORKERS), word="auto"),
        None,
        "Task workers, each a process that runs one task at a time. `auto` is one fewer than the CPUs"
        " allowed, at least one; 0 makes this a client of a supervisor that runs elsewhere on the machine.",
    )
    min_workers: int | None = setting(
        "Workers",
        Maybe(Whole(1, MOST_WORKERS), word="auto"),
        None,
        "Task workers that stay when there is nothing to do. `auto`: as many as `workers`.",
    )
    max_workers: int | None = setting(
        "Workers",
        Maybe(Whole(1, MOST_WORKERS), word="auto"),
        None,
        "Task workers that there may be while tasks wait and none is idle. `auto`: as many as `workers`.",
    )
    worker_idle_timeout: float = setting(
        "Workers",
        Duration(),
        60.0,
        "Time after which workers above `min_workers` leave that were not needed.",
    )
    max_waiting: int = setting(
        "Workers",
        Whole(0, MOST_WAITING),
        100,
        "Workers that there may be beside those, one for each whose task waits for another task; above it such a"
        " wait raises `TooManyWaitingError`.",
    )
    ready_timeout: float = setting(
        "Workers",
        Duration(),
        30.0,
        "Time for a forked worker to get ready before it is replaced.",
    )
    import_timeout: float = setting(
        "Workers",
        Duration(),
        60.0,
        "Time for the template to import the tasks before it is replaced; grows to 10 minutes if repeated.",
    )
    heartbeat_timeout: float = setting(
        "Workers",
        Duration(least=2.0, above=False),
        10.0,
        "Silence after which the broker, the template or the master counts as hung and is replaced.",
    )
    batch_time: float = setting(
        "Workers",
        Duration(above=False, most=1.0),
        0.002,
        "Expected work that one worker is handed in one call while no idle worker could take it.",
    )
    batch_size: int = setting(
        "Workers",
        Whole(1, 1024),
        256,
        "Most tasks that one worker is handed in one call; 1 hands them out one by one.",
    )

    ageing: float | None = setting(
        "Order",
        Maybe(Duration()),
        60.0,
        "Waiting that is worth one step of priority, so that nothing starves; never above HIGH (10)."
        " `none`: strictly by priority, then first in, first out.",
    )

    cpus: str | Mapping[str, str] = setting(
        "CPU",
        CpuList(),
        "auto",
        "Which CPUs run what. `auto` pins each task worker to a CPU and leaves the rest to the web workers;"
        " `off` pins nothing; a list such as `1-3,5` is for the task workers; `web=0 tasks=1-3` names both"
        " sides.",
    )
    nice: int = setting(
        "CPU",
        Whole(0, 19),
        19,
        "Niceness of task workers that are not pinned, so that the web workers come first.",
    )

    timeout: float | None = setting(
        "Killing",
        Maybe(Duration()),
        300.0,
        "Hard limit of one run, counted from the moment a worker claims it:"
        " the worker and everything it started are killed.",
    )
    soft_timeout: float | None = setting(
        "Killing",
        Maybe(Duration()),
        None,
        "Soft limit of one run: raises `SoftTimeoutError` in the task, which may then clean up.",
    )
    cancel_grace: float = setting(
        "Killing",
        Duration(above=False),
        2.0,
        "Time between asking a running task to stop, on cancel, and killing its worker.",
    )
    memory_limit: int | None = setting(
        "Killing",
        Maybe(Size(least=M)),
        None,
        "Memory that a worker and its children may use while they run one task; above it they are killed.",
    )
    memory_budget: int | None = setting(
        "Killing",
        Maybe(Size(least=M)),
        None,
        "Memory that all workers together may use; above it the largest is killed.",
    )

    max_retries: int = setting(
        "Repeating",
        Whole(0, 1_000_000),
        3,
        "Runs after the first that a task gets when it raises or times out.",
    )
    retry_delay: float = setting(
        "Repeating",
        Duration(above=False),
        1.0,
        "Time before a task that raised or timed out first runs again.",
    )
    backoff: float = setting(
        "Repeating",
        Factor(),
        2.0,
        "What that time is multiplied with at each further failure; 1 for a fixed delay.",
    )
    max_delay: float = setting(
        "Repeating",
        Duration(above=False),
        HOUR,
        "Most time between two runs, without the jitter.",
    )
    retry_jitter: float = setting(
        "Repeating",
        Duration(above=False),
        1.0,
        "Up to how much time is added by chance, so that what failed together does not come back together.",
    )
    crash_budget: int = setting(
        "Repeating",
        Whole(1, 1_000_000),
        3,
        "Runs of one task that may end with the death of its process, apart from the retries.",
    )
    abort_budget: int = setting(
        "Repeating",
        Whole(1, 1_000_000),
        10,
        "Runs of one task that may end because the whole supervisor died.",
    )

    max_tasks: int | None = setting(
        "Recycling",
        Maybe(Whole(1)),
        None,
        "Tasks that a worker runs before it is replaced.",
    )
    max_tasks_jitter: int = setting(
        "Recycling",
        Whole(0),
        0,
        "Most by which `max_tasks` differs from worker to worker, up or down, lest all leave at once.",
    )
    max_age: float | None = setting(
        "Recycling",
        Maybe(Duration()),
        None,
        "Age at which a worker is replaced, once its task has ended.",
    )
    max_memory: int | None = setting(
        "Recycling",
        Maybe(Size()),
        None,
        "Growth in memory since it got ready at which a worker is replaced, once its task has ended.",
    )

    grace: float = setting(
        "Stopping",
        Duration(above=False),
        30.0,
        "Time that running tasks have to end after SIGTERM; the rest is stopped and put back in the queue.",
    )
    orphan_grace: float = setting(
        "Stopping",
        Duration(above=False),
        3.0,
        "The same after the death of Gunicorn, or of `supervisor run`, where it is not started again meanwhile.",
    )

    durability: str = setting(
        "Durability",
        Choice(("full", "normal", "off")),
        "full",
        "What an acknowledged submit survives: `full` a loss of power, `normal` the kill of any process,"
        " `off` nothing, as the queue is in memory only.",
    )

    queue_limit: int = setting(
        "Limits",
        Whole(1, 100_000_000),
        1_000_000,
        "Unfinished tasks that the queue holds; above it a submit raises `QueueFullError`.",
    )
    queue_limits: Mapping[str, int] | None = setting(
        "Limits",
        Maybe(Counts(Whole(1, 100_000_000))),
        None,
        "The same for single named queues, such as `emails=1000 reports=50`.",
    )
    disk_reserve: int = setting(
        "Limits",
        Size(least=0),
        16 * M,
        "Free space that the disk of `dir` keeps for the tasks that are queued: below it a submit raises"
        " `JournalFullError`. 0 to use it up.",
    )
    inline_limit: int = setting(
        "Limits",
        Size(least=0),
        64 * K,
        "Largest arguments or result of a task kept in the journal; larger ones are kept in files beside it.",
    )
    payload_limit: int = setting(
        "Limits",
        Size(least=K),
        G,
        "Largest arguments or result of a task that are accepted.",
    )
    payloads: str = setting(
        "Limits",
        Choice(("pickle", "json")),
        "pickle",
        "How arguments and results travel. `json`: nothing is unpickled anywhere, and only functions that are"
        " registered in the modules of `tasks` run. A change takes effect with a restart.",
    )
    message_limit: int = setting(
        "Limits",
        Size(least=64 * K, most=2 * G - 1),
        16 * M,
        "Largest message on the socket; a longer one ends the connection.",
    )
    output_limit: int = setting(
        "Limits",
        Size(least=0),
        64 * K,
        "Output of one run that is kept: what the task printed and logged.",
    )
    connect_timeout: float = setting(
        "Limits",
        Duration(),
        5.0,
        "Time for a client to reach the supervisor before it raises `QueueUnavailableError`.",
    )

    profile: bool = setting(
        "Watching",
        Switch(),
        False,
        "Keep CPU time, memory and a profile of each run of every task; costs a part of its speed.",
    )
    backlog_threshold: int | None = setting(
        "Watching",
        Maybe(Whole(1)),
        1000,
        "Tasks of one queue that wait for a worker above which a warning is logged and `on_backlog` is called,"
        " once until it fell below half of it. `none`: never.",
    )

    metrics_listen: str | None = setting(
        "Watching",
        Maybe(Endpoint()),
        None,
        "Port of this machine on which Prometheus may fetch metrics, such as `127.0.0.1:9464`.",
    )
    metrics_file: Path | None = setting(
        "Watching",
        Maybe(PromFile()),
        None,
        "File that metrics are written into, for the textfile collector of the node exporter.",
    )
    metrics_interval: float = setting(
        "Watching",
        Duration(least=1.0, above=False, most=3600.0),
        15.0,
        "How often that file is written.",
    )

    result_ttl: float = setting(
        "Retention",
        Duration(),
        7 * DAY,
        "How long the result of a task is kept after its end.",
    )
    record_ttl: float = setting(
        "Retention",
        Duration(),
        24 * HOUR,
        "How long the record of a task is kept after its end: its runs, their causes and their output;"
        " at least as long as its result or its dead letter.",
    )
    dead_ttl: float | None = setting(
        "Retention",
        Maybe(Duration()),
        30 * DAY,
        "How long a dead letter is kept: a task that ended failed, timed out or lost. `none`: until it is"
        " retried or dropped.",
    )

    @property
    def worker_count(self) -> int:
        """How many task workers to begin with on this machine: `workers`, or what `auto` comes to."""
        if self.workers is not None:
            return self.workers
        found = default_workers(frozenset(os.sched_getaffinity(0)))
        return max(self.min_workers or 1, min(self.max_workers or MOST_WORKERS, found))

    @property
    def least_workers(self) -> int:
        """How many of them stay when there is nothing to do."""
        return self.worker_count if self.min_workers is None else min(self.min_workers, self.worker_count)

    @property
    def most_workers(self) -> int:
        """How many there may be when much is to be done."""
        return self.worker_count if self.max_workers is None else max(self.max_workers, self.worker_count)

    @classmethod
    def load(
        cls,
        *,
        command_line: Mapping[str, object] = NOTHING,
        environ: Mapping[str, str] | None = None,
        attach: Mapping[str, object] = NOTHING,
        directory: Path | None = None,
    ) -> Loaded:
        """The settings from `command_line`, `environ`, `attach` and pyproject.toml, the strongest first.

        Mappings go by the name of the setting, `environ` (default: the environment of this process) by that
        of the variable. On the command line None means "not given"; in `attach` it is a value. `directory`
        (default: the current one) is where pyproject.toml is read, and what a relative `dir` is taken from.

        Raises SettingsError with a sentence for each fault that was found.
        """
        home = Path.cwd() if directory is None else directory.absolute()
        variables = os.environ if environ is None else environ
        found = Gathered(specs(cls))
        found.try_add(lambda: source.pyproject(home))
        found.add(source.attached(attach))
        found.add(source.environment(found.known, variables))
        found.add(source.command_line(command_line))
        found.values["dir"] = Path(os.path.abspath(home / found.values["dir"]))
        settings = cls(**found.values)
        check = Check(settings, found.origins, Host.here(home))
        faults = found.faults + check.broken(FAULTS, found.spoiled)
        if faults:
            raise SettingsError(faults)
        warnings = source.strangers(found.known, variables) + check.broken(WARNINGS)
        return Loaded(settings, found.origins, warnings)

    def to_json(self) -> dict[str, object]:
        """Plain data for JSON, which `from_json` takes back in another process."""
        return {name: spec.kind.plain(getattr(self, name)) for name, spec in specs(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The settings that `to_json` wrote.

        Settings that are missing get their defaults and unknown ones are passed over, as the file may come
        from another version while one replaces the other. Raises SettingsError when a value makes no sense.
        """
        found = Gathered(specs(cls))
        found.add(source.handed_on({name: value for name, value in data.items() if name in found.known}))
        if found.faults:
            raise SettingsError(found.faults)
        return cls(**found.values)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that were read and checked.

    `sources` says for each setting where it comes from ("default", "attach(...)", "SUPERVISOR_WORKERS",
    "--workers", "[tool.supervisor] of /srv/app/pyproject.toml"); `warnings` are sentences to log.
    """

    settings: Settings
    sources: Mapping[str, str]
    warnings: list[str]

    def lines(self) -> list[str]:
        """Each setting with its value and its source, for people: "workers = 4 (--workers)"."""
        named = specs(self.settings).items()
        return [f"{name} = {spec.show(getattr(self.settings, name))} ({self.sources[name]})" for name, spec in named]
