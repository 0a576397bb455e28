"""Schedules as rows of the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from supervisor.core.fired import Fired, Span
from supervisor.core.missed import Misses
from supervisor.core.plan import Plan
from supervisor.core.schedules import Schedule
from supervisor.core.slots import Timing
from supervisor.journal.statements import SQL

_ID_BYTES = 16
_NONE = Misses()
_to_json = msgspec.json.Encoder().encode
_to_timing = msgspec.json.Decoder(Timing).decode
_to_spans = msgspec.json.Decoder(list[Span]).decode
_to_misses = msgspec.json.Decoder(Misses).decode
_to_bytes = msgspec.msgpack.Encoder().encode
_to_plan = msgspec.msgpack.Decoder(Plan).decode


def rows(changes: Mapping[str, Schedule | None]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What is to be saved, and what is to be deleted."""
    saved = [_row(schedule) for schedule in changes.values() if schedule is not None]
    return saved, [(name,) for name, schedule in changes.items() if schedule is None]


def _row(schedule: Schedule) -> tuple[Any, ...]:
    added = None if schedule.declared or schedule.plan is None else _to_bytes(schedule.plan)
    return (
        schedule.name,
        _to_json(schedule.timing).decode(),
        schedule.paused,
        schedule.origin,
        schedule.seen,
        schedule.series,
        _to_json(schedule.fired.spans).decode(),
        b"".join(schedule.open),
        schedule.last_slot,
        schedule.last_task,
        _to_json(schedule.misses).decode() if schedule.misses != _NONE else "",
        schedule.generation,
        added,
    )


def read(connection: sqlite3.Connection) -> Iterator[Schedule]:
    """Every schedule. Those that the code declares rest until it has been heard of."""
    for (
        name,
        timing,
        paused,
        origin,
        seen,
        series,
        fired,
        opened,
        *last,
        missed,
        generation,
        added,
    ) in connection.execute(SQL["schedules"]):
        yield Schedule(
            name=name,
            timing=_to_timing(timing),
            origin=origin,
            seen=seen,
            series=series,
            paused=bool(paused),
            fired=Fired(_to_spans(fired)),
            open=[bytes(each) for each in zip(*[iter(opened)] * _ID_BYTES, strict=True)],
            last_slot=last[0],
            last_task=last[1],
            misses=_to_misses(missed) if missed else Misses(),
            generation=generation,
            declared=added is None,
            plan=None if added is None else _to_plan(added),
        )
