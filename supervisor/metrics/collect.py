"""From what was seen to metrics. Pure.

Whatever can be named beforehand is there from the beginning, as 0: a counter that appears with its first event has, for
Prometheus, never risen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from supervisor.metrics import bounds, catalogue
from supervisor.metrics.bounds import Buckets
from supervisor.metrics.catalogue import DIRECTORY, Family, Kind
from supervisor.metrics.records import Disk, Seen
from supervisor.states import Cause, State
from supervisor.wire.figures import BrokerFigures, MasterFigures, TaskRow, TimesRow

OUTCOMES = tuple(state.value for state in State if state.ended)
WORKER_STATES = ("starting", "idle", "busy", "stopped", "leaving", "spare")
DEATHS = tuple(cause.value for cause in (Cause.TIMEOUT, Cause.SIGNAL, Cause.EXIT, Cause.MEMORY, Cause.CANCELLED))
DUE = (Cause.TIMEOUT.value, Cause.CANCELLED.value)
REASONS = ("new_code", "asked", "max_tasks", "max_age", "max_memory", "scaling", "shutdown")
ROLES = ("guardian", "master", "broker", "template")
_NOTHING = TimesRow({}, 0.0)
Value = float | tuple[Buckets, float]
"""A number, or a histogram: its buckets and its sum."""
Rows = Iterable[tuple[tuple[str, ...], Value]]
"""Labels and value."""


def collect(seen: Seen) -> Iterator[Metric]:
    """Every metric of which anything is known."""
    for family, rows in _all(seen):
        made = _made(family)
        for labels, value in rows:
            whole = (seen.directory, *labels)
            if isinstance(value, tuple):
                assert isinstance(made, HistogramMetricFamily)
                made.add_metric(whole, buckets=value[0], sum_value=value[1])
            else:
                assert isinstance(made, CounterMetricFamily | GaugeMetricFamily)
                made.add_metric(whole, value)
        if made.samples:
            yield made


def _made(family: Family) -> Metric:
    labels = (DIRECTORY, *family.labels)
    match family.kind:
        case Kind.COUNTER:
            return CounterMetricFamily(family.name, family.says, labels=labels)
        case Kind.GAUGE:
            return GaugeMetricFamily(family.name, family.says, labels=labels)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(family.name, family.says, labels=labels)


def _all(seen: Seen) -> Iterator[tuple[Family, Rows]]:
    yield catalogue.UP, _one(seen.master is not None)
    yield catalogue.BROKER_UP, _one(seen.broker is not None)
    if seen.master is not None:
        yield from _of_master(seen.master)
        yield from _of_processes(seen)
    if seen.broker is not None:
        yield from _of_broker(seen.broker)
        yield from _of_queues(seen.broker)
    if seen.disk is not None:
        yield from _of_disk(seen.disk)
    yield catalogue.COLLECT, _one(seen.seconds)


def _of_master(master: MasterFigures) -> Iterator[tuple[Family, Rows]]:
    yield catalogue.START, _one(master.since)
    yield catalogue.DRAINING, _one(master.draining)
    yield catalogue.IMPORT_FAILED, _one(master.import_failed)
    states = [worker.state for worker in master.workers]
    yield catalogue.WORKERS, _each({state: states.count(state) for state in WORKER_STATES})
    yield catalogue.WANTED, _one(master.wanted)
    yield catalogue.DEATHS, _each(master.deaths, DEATHS)
    yield catalogue.RECYCLES, _each(master.left, REASONS)
    yield catalogue.RESTARTS, _each(master.restarts, ROLES)
    late = {**dict.fromkeys(DUE, _NOTHING), **master.lateness}
    yield catalogue.LATENESS, [((cause,), _times(row, bounds.LATENESS)) for cause, row in late.items()]


def _of_processes(seen: Seen) -> Iterator[tuple[Family, Rows]]:
    yield catalogue.WORKER_MEMORY, _each({seat: process.memory for seat, process in seen.seats.items()})
    yield catalogue.WORKER_CPU, _each({seat: process.cpu_seconds for seat, process in seen.seats.items()})
    yield catalogue.MEMORY, _each({role: process.memory for role, process in seen.processes.items()})
    yield catalogue.CPU, _each({role: process.cpu_seconds for role, process in seen.processes.items()})


def _of_broker(broker: BrokerFigures) -> Iterator[tuple[Family, Rows]]:
    yield catalogue.BUILD, [((broker.version, broker.python, broker.sqlite), 1)]
    yield catalogue.ACCEPTING, _one(broker.accepting)
    yield catalogue.LIMIT, _one(broker.limit)
    yield catalogue.RESERVE, _one(broker.disk_reserve)
    yield catalogue.COMMIT, [((), (bounds.by_bits(broker.commits), broker.commit_ns / 1e9))]
    tasks = broker.tasks
    yield catalogue.TASKS, _counted((task, task.ended, OUTCOMES) for task in tasks)
    yield catalogue.FAILURES, _counted((task, task.causes, ()) for task in tasks)
    yield catalogue.WAIT, [((task.queue, task.name), _times(task.wait, bounds.TIMES)) for task in tasks]
    yield catalogue.RUN, [((task.queue, task.name), _times(task.run, bounds.TIMES)) for task in tasks]


def _of_queues(broker: BrokerFigures) -> Iterator[tuple[Family, Rows]]:
    yield (
        catalogue.QUEUE,
        [
            ((queue.name, state), getattr(queue, state))
            for queue in broker.queues
            for state in ("ready", "limited", "scheduled", "retrying", "blocked", "running")
        ],
    )
    yield catalogue.OLDEST, [((queue.name,), queue.oldest_age or 0.0) for queue in broker.queues]
    yield catalogue.PAUSED, [((queue.name,), queue.paused) for queue in broker.queues]


def _of_disk(disk: Disk) -> Iterator[tuple[Family, Rows]]:
    yield catalogue.SIZE, _each({"database": disk.database, "wal": disk.wal, "payloads": disk.payloads})
    yield catalogue.AVAILABLE, _one(disk.available)
    yield catalogue.DISK, _one(disk.size)
    if disk.dead_letters is not None:
        yield catalogue.DEAD, _one(disk.dead_letters)


def _one(value: float) -> Rows:
    return [((), value)]


def _each(counts: Mapping[str, float], names: Iterable[str] = ()) -> Rows:
    return [((name,), count) for name, count in {**dict.fromkeys(names, 0), **counts}.items()]


def _counted(rows: Iterable[tuple[TaskRow, Mapping[str, int], Sequence[str]]]) -> Rows:
    return [
        ((task.queue, task.name, word), count)
        for task, counts, words in rows
        for word, count in {**dict.fromkeys(words, 0), **counts}.items()
    ]


def _times(row: TimesRow, places: Iterable[int]) -> Value:
    return bounds.by_place(row.buckets, places), row.total
