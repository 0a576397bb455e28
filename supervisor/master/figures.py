"""What the master has counted, for metrics."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from supervisor.core.histogram import Histogram
from supervisor.master.worker import Stage, WorkerHandle
from supervisor.scoreboard import Header
from supervisor.wire.figures import MasterFigures, TimesRow, WorkerRow

if TYPE_CHECKING:
    from supervisor.master.master import Master


def figures(master: Master) -> dict[str, object]:
    """All of it; plain data, as which it travels."""
    generations, pool, undertaker = master.generations, master.pool, master.undertaker
    current = generations.current
    found = MasterFigures(
        since=master.ownership.since,
        draining=master.ending.begun,
        import_failed=bool(generations.failed),
        wanted=pool.target,
        pids={
            "guardian": master.guardian.pid,
            "master": os.getpid(),
            "broker": master.broker.pid,
            "template": current.process.pid if current else 0,
        },
        workers=[WorkerRow(handle.seat, handle.pid, _state(handle)) for handle in pool],
        deaths=undertaker.kills,
        left=pool.left,
        lateness={cause: _times(histogram) for cause, histogram in undertaker.lateness.items()},
        restarts={
            "guardian": master.guardian.restarts,
            "master": max(0, master.shared.board.get(Header.MASTERS) - 1),
            "broker": master.broker.restarts,
            "template": generations.restarts,
        },
    )
    plain: dict[str, object] = msgspec.to_builtins(found)
    return plain


def _state(handle: WorkerHandle) -> str:
    if handle.kill is not None or handle.stage is Stage.RETIRING:
        return "leaving"
    if handle.stage in (Stage.FORKING, Stage.BOOTING):
        return "starting"
    if handle.stopped_ns:
        return "stopped"
    if handle.spare:
        return "spare"
    running = handle.slot.running()
    return "busy" if running is not None and running.running else "idle"


def _times(histogram: Histogram) -> TimesRow:
    return TimesRow(histogram.sparse(), histogram.total)
