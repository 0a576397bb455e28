"""Who runs and what is queued, at one moment: asked of the master, the broker and the kernel."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supervisor.cli.usage import Usage, measure
from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError, SupervisorError
from supervisor.master.control import ask
from supervisor.system import lock
from supervisor.taskqueue import TaskQueue
from supervisor.worker_records import ActiveTask

_Plain = dict[str, Any]


class NotRunningError(SupervisorError):
    """No supervisor runs on the directory, or it does not answer."""

    def __init__(self, directory: Directory, reason: str) -> None:
        super().__init__(_why_not(directory, reason))


def _why_not(directory: Directory, reason: str) -> str:
    if _is_closed(directory):
        return f"{directory} is closed to us (uid {os.geteuid()}); ask as the user that runs the supervisor, or as root"
    holder = lock.holder(directory.lock)
    if holder is not None:
        return f"process {holder} holds the lock of {directory}, but {reason}; its log says more"
    return (
        f"no supervisor runs on {directory}; start one with `supervisor run`, or Gunicorn with attach(...),"
        " or name another directory (--dir, SUPERVISOR_DIR)"
    )


def _is_closed(directory: Directory) -> bool:
    try:
        os.listdir(directory.path)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRow:
    """One process of the tree."""

    role: str
    """owner, guardian, master, broker, template, worker, spare."""
    seat: int | None = None
    """A worker's place, which decides its CPU."""
    pid: int
    state: str
    usage: Usage | None = None
    tasks: int | None = None
    """How many a worker has ended."""
    task: str | None = None
    """What a worker runs, by name."""
    task_id: str | None = None
    more: int = 0
    """Tasks that it holds besides that one."""
    elapsed: float | None = None
    left: float | None = None
    """Seconds until its hard limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A supervisor that answers."""

    running: bool = True
    directory: str
    title: str
    uptime: float
    draining: bool
    generation: int
    wanted: int
    ready: int
    processes: list[ProcessRow]
    queue: _Plain
    """The broker's numbers; empty while it does not answer."""
    queue_error: str
    import_error: str
    import_seconds: float | None
    obstacles: list[str]
    """Why the application cannot be shared by forking."""
    broker_restarts: int
    deaths: Mapping[str, int]
    recycled: Mapping[str, int]


def take(directory: Directory, timeout: float = 5.0) -> Snapshot:
    """Look now; NotRunningError when no master answers within ``timeout`` seconds."""
    try:
        told: _Plain = dict(ask(directory, "status", timeout=timeout))
    except QueueUnavailableError as error:
        raise NotRunningError(directory, error.reason) from error
    numbers, held, queue_error = _ask_broker(directory, timeout)
    template = told["template"]
    return Snapshot(
        directory=told["directory"],
        title=told["title"],
        uptime=told["uptime"],
        draining=told["draining"],
        generation=told["generation"],
        wanted=told["wanted"],
        ready=told["ready"],
        processes=_processes(told, held),
        queue=numbers,
        queue_error=queue_error,
        import_error=template["error"],
        import_seconds=template["import_seconds"],
        obstacles=template["obstacles"],
        broker_restarts=told["broker"]["restarts"],
        deaths=told["deaths"],
        recycled=told["recycled"],
    )


def _ask_broker(directory: Directory, timeout: float) -> tuple[_Plain, dict[int, Sequence[ActiveTask]], str]:
    queue = TaskQueue(directory.path, timeout)
    try:
        return queue.stats().to_dict(), {worker.pid: worker.tasks for worker in queue.workers()}, ""
    except SupervisorError as error:
        return {}, {}, str(error)
    finally:
        queue.close()


def _processes(told: _Plain, held: dict[int, Sequence[ActiveTask]]) -> list[ProcessRow]:
    workers = sorted(told["workers"], key=lambda worker: (worker["spare"], worker["seat"], worker["worker"]))
    roles = [("owner", pid) for pid in told["owners"]]
    roles += [("guardian", told["guardian"]), ("master", told["master"])]
    roles += [("broker", told["broker"]["pid"]), ("template", told["template"]["pid"])]
    living = [worker["pid"] for worker in workers if worker["pid"]]
    usage = measure([*(pid for _, pid in roles if pid), *living], living)
    rows = [_other(role, pid, usage.get(pid), told) for role, pid in roles]
    return rows + [_worker(worker, held.get(worker["pid"], ()), usage.get(worker["pid"])) for worker in workers]


def _other(role: str, pid: int, usage: Usage | None, told: _Plain) -> ProcessRow:
    state = usage.state if usage else "away"
    if role == "template" and told["template"]["importing"]:
        state = "importing"
    return ProcessRow(role=role, pid=pid, state=state, usage=usage)


def _worker(worker: _Plain, held: Sequence[ActiveTask], usage: Usage | None) -> ProcessRow:
    running = held[0] if worker["busy"] and held else None
    return ProcessRow(
        role="spare" if worker["spare"] else "worker",
        seat=worker["seat"],
        pid=worker["pid"],
        state=_state(worker),
        usage=usage,
        tasks=worker["tasks"],
        task=running.name if running else None,
        task_id=running.id if running else None,
        more=max(0, len(held) - 1),
        elapsed=worker["elapsed"],
        left=worker["left"],
    )


def _state(worker: _Plain) -> str:
    if worker["stopped"]:
        return "stopped"
    if worker["stage"] in ("forking", "booting"):
        return "starting"
    if worker["stage"] == "retiring":
        return "leaving"
    return "busy" if worker["busy"] else "idle"
