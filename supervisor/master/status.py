"""The tree in words and numbers, for ``supervisor status`` and for its owner."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from supervisor.master.worker import WorkerHandle
from supervisor.scoreboard import Header, Word

if TYPE_CHECKING:
    from supervisor.master.master import Master


def describe(master: Master) -> dict[str, object]:
    """What the master knows; plain data."""
    generations, pool = master.generations, master.pool
    current = generations.current
    return {
        "directory": str(master.directory),
        "title": generations.spec.title,
        "master": os.getpid(),
        "guardian": master.guardian.pid,
        "broker": {"pid": master.broker.pid, "restarts": master.broker.restarts},
        "template": {
            "pid": current.process.pid if current else 0,
            "generation": current.generation if current else 0,
            "import_seconds": current.seconds if current else None,
            "obstacles": current.obstacles if current else [],
            "importing": generations.coming is not None,
            "error": generations.failed,
        },
        "generation": generations.newest,
        "owners": master.ownership.pids(),
        "uptime": time.time() - master.ownership.since,
        "draining": master.ending.begun,
        "wanted": pool.target,
        "ready": pool.ready(),
        "deaths": master.undertaker.kills,
        "recycled": pool.recycled,
        "workers": [_worker(handle) for handle in pool],
    }


def pulse(master: Master) -> dict[str, object]:
    """What :class:`supervisor.tree_pulse.TreePulse` reads: so little that it may be asked for each second."""
    generations, pool, board = master.generations, master.pool, master.shared.board
    now = time.monotonic_ns()
    return {
        "alive": master.broker.process is not None,
        "serving": master.broker.process is not None and board.get(Header.SERVING) == 1,
        "silent": master.broker.silent_ns(now) / 1e9,
        "newest": generations.newest,
        "judged": generations.judged,
        "imported": generations.current.generation if generations.current else 0,
        "error": generations.failed,
        "wanted": pool.target,
        "ready": pool.ready(),
        "unfinished": board.get(Header.UNFINISHED),
        "held": board.get(Header.HELD),
        "draining": master.ending.begun,
    }


def _worker(handle: WorkerHandle) -> dict[str, object]:
    running = handle.slot.running()
    now = time.monotonic_ns()
    busy = running is not None and running.running
    deadline = handle.slot.held().deadline_ns
    return {
        "worker": handle.number,
        "seat": handle.seat,
        "pid": handle.pid,
        "stage": handle.stage.value,
        "spare": handle.spare,
        "generation": handle.generation,
        "age": (now - handle.spawned_ns) / 1e9,
        "boot": (handle.ready_ns - handle.spawned_ns) / 1e9 if handle.ready_ns else None,
        "tasks": handle.slot.get(Word.DONE),
        "busy": busy,
        "elapsed": (now - running.started_ns) / 1e9 if running is not None and busy else None,
        "left": (deadline - now) / 1e9 if busy and deadline else None,
        "stopped": bool(handle.stopped_ns),
    }
