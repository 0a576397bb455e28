"""Every metric by name, with its kind, its labels and what it says. Nothing else is ever exposed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "supervisor_"
DIRECTORY = "dir"
"""The label that each has: the supervisor's directory, which tells several on one machine apart."""


class Kind(StrEnum):
    """Prometheus' kinds of metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name as it is exposed, but for the ``_bucket``, ``_sum`` and ``_count`` of histograms."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    says: str

    @property
    def series(self) -> frozenset[str]:
        """The names of its series."""
        ends = ("_bucket", "_sum", "_count") if self.kind is Kind.HISTOGRAM else ("",)
        return frozenset(self.name + end for end in ends)


def _family(kind: Kind, name: str, labels: str, says: str) -> Family:
    return Family(PREFIX + name, kind, tuple(labels.split()), says)


UP = _family(Kind.GAUGE, "up", "", "1 while the supervisor answers, else 0.")
BROKER_UP = _family(Kind.GAUGE, "broker_up", "", "1 while its broker answers: without it nothing is known of tasks.")
BUILD = _family(Kind.GAUGE, "build_info", "version python sqlite", "1, with the versions as labels.")
START = _family(Kind.GAUGE, "start_time_seconds", "", "When it was started, in seconds since 1970.")
DRAINING = _family(Kind.GAUGE, "draining", "", "1 while it shuts down.")
ACCEPTING = _family(Kind.GAUGE, "accepting", "", "1 while it takes tasks in; 0 after drain.")
IMPORT_FAILED = _family(Kind.GAUGE, "import_failed", "", "1 while the newest code of the tasks cannot be imported.")

TASKS = _family(Kind.COUNTER, "tasks_total", "queue task outcome", "Tasks that have ended, by the state they ended in.")
FAILURES = _family(
    Kind.COUNTER,
    "attempts_failed_total",
    "queue task cause",
    "Attempts that did not succeed, by cause, those that were repeated among them.",
)
WAIT = _family(
    Kind.HISTOGRAM, "task_wait_seconds", "queue task", "From the moment a task was ready until a worker was handed it."
)
RUN = _family(Kind.HISTOGRAM, "task_run_seconds", "queue task", "How long attempts ran.")

QUEUE = _family(
    Kind.GAUGE,
    "queue_tasks",
    "queue state",
    "Tasks by state: ready (for a worker), limited (waits at a limit or rate), scheduled, retrying, blocked (waits for"
    " other tasks), running.",
)
OLDEST = _family(
    Kind.GAUGE,
    "queue_oldest_age_seconds",
    "queue",
    "For how long the oldest task that is ready or limited has waited; 0 for none.",
)
PAUSED = _family(Kind.GAUGE, "queue_paused", "queue", "1 while the queue is paused.")
LIMIT = _family(Kind.GAUGE, "tasks_limit", "", "Unfinished tasks that the supervisor takes at most.")
DEAD = _family(Kind.GAUGE, "dead_letters", "", "Tasks that ended failed, timed out or lost and were not dropped.")

WORKERS = _family(
    Kind.GAUGE, "workers", "state", "Workers by state: starting, idle, busy, stopped (by a signal), leaving, spare."
)
WANTED = _family(Kind.GAUGE, "workers_wanted", "", "Workers that there should be.")
DEATHS = _family(Kind.COUNTER, "worker_deaths_total", "cause", "Workers that died or were killed, by cause.")
RECYCLES = _family(
    Kind.COUNTER,
    "worker_recycles_total",
    "reason",
    "Workers that were asked to leave after their task: new_code, asked, max_tasks, max_age, max_memory, scaling,"
    " shutdown.",
)
LATENESS = _family(
    Kind.HISTOGRAM,
    "kill_lateness_seconds",
    "cause",
    "From the moment a kill was due until its process was gone: at the hard limit (timeout), or after the grace of a"
    " cancel (cancelled).",
)
WORKER_MEMORY = _family(
    Kind.GAUGE,
    "worker_resident_memory_bytes",
    "seat",
    "Resident memory of the worker on a seat with all that its task has started; shared pages count in each.",
)
WORKER_CPU = _family(
    Kind.COUNTER,
    "worker_cpu_seconds_total",
    "seat",
    "CPU time of the worker on a seat and of those of its children that have ended; from 0 with each worker.",
)
MEMORY = _family(
    Kind.GAUGE, "process_resident_memory_bytes", "role", "Resident memory of guardian, master, broker, template."
)
CPU = _family(
    Kind.COUNTER, "process_cpu_seconds_total", "role", "CPU time of the process that has this role now; from 0 with it."
)
RESTARTS = _family(
    Kind.COUNTER,
    "process_restarts_total",
    "role",
    "How often guardian, master, broker or template had to be replaced: of all but the master since the last start of"
    " a master.",
)

SIZE = _family(
    Kind.GAUGE, "journal_size_bytes", "part", "Size of the journal's database, of its log (wal), of the payload files."
)
COMMIT = _family(Kind.HISTOGRAM, "journal_commit_seconds", "", "How long commits of the journal took.")
AVAILABLE = _family(Kind.GAUGE, "disk_available_bytes", "", "Free space on the disk of the directory.")
DISK = _family(Kind.GAUGE, "disk_size_bytes", "", "Size of that disk.")
RESERVE = _family(Kind.GAUGE, "disk_reserve_bytes", "", "Free space below which submits are refused (disk_reserve).")
COLLECT = _family(Kind.GAUGE, "collect_seconds", "", "How long it took to ask for all this.")


def families() -> Iterator[Family]:
    """All of them, in the order in which they stand above."""
    for value in globals().values():
        if isinstance(value, Family):
            yield value


def table() -> str:
    """All of them as a table in Markdown."""
    rows = ["| Metric | Kind | Labels | |", "| --- | --- | --- | --- |"]
    for family in families():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        rows.append(f"| `{family.name}` | {family.kind} | {labels} | {family.says} |")
    return "\n".join(rows) + "\n"
