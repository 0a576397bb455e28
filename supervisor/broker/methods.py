"""The calls that clients and workers may make: how the arguments of each are read, and who carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from supervisor.broker.connection import Connection
from supervisor.core.keys import Key
from supervisor.core.plan import Plan, ScheduleName
from supervisor.wire.messages import DeadQuery, Hello, Name, Report, Span, Submission, TaskId
from supervisor.wire.talks import Item, Place, Seen

if TYPE_CHECKING:
    from supervisor.broker.service import Service

RateCount = Annotated[int, msgspec.Meta(ge=1)]
LimitCount = Annotated[int, msgspec.Meta(ge=0)]
Period = Annotated[float, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Weight = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
TaskIds = Annotated[list[TaskId], msgspec.Meta(max_length=1000)]
Position = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Call:
    """A method."""

    decode: Callable[[bytes | msgspec.Raw], tuple[object, ...]]
    handler: Callable[..., object]


def methods(service: Service) -> dict[str, Call]:
    """All of them, by the names that travel."""
    return {**_submitting(service), **_asking(service), **_acting(service), **_working(service)}


def _submitting(service: Service) -> dict[str, Call]:
    """How tasks come in."""
    return {
        "dummy": call(tuple[()], _dummy),
        "info": call(tuple[()], service.intake.info),
        "look": call(tuple[Name], service.intake.look),
        "submit": call(tuple[Submission], service.intake.submit),
        "submit_many": call(tuple[list[Submission]], service.intake.submit_many),
    }


def _asking(service: Service) -> dict[str, Call]:
    """What only looks."""
    return {
        "task": call(tuple[TaskId, bool], service.inquiry.task),
        "wait": call(tuple[TaskId, float, bool], service.inquiry.wait),
        "wait_within": call(tuple[TaskId, float, bool, TaskId], service.inquiry.wait_within),
        "said": call(tuple[TaskId, Place, float], service.listening.said),
        "items": call(tuple[TaskId, Seen, float], service.listening.items),
        "arguments": call(tuple[TaskId], service.inquiry.arguments),
        "attempts": call(tuple[TaskId], service.ended.attempts),
        "dead": call(tuple[DeadQuery], service.ended.dead),
        "records": call(tuple[TaskIds], service.together.records),
        "group": call(tuple[TaskId], service.together.group),
        "handed": call(tuple[TaskId, Position], service.together.handed),
        "queues": call(tuple[()], service.ordering.queues),
        "stats": call(tuple[()], service.desk.stats),
        "workers": call(tuple[()], service.desk.workers),
        "figures": call(tuple[()], service.gauging.figures),
        "condition": call(tuple[()], service.desk.condition),
        "changes": call(tuple[int], service.configuring.changes),
        "schedules": call(tuple[()], service.timetable.rows),
    }


def _acting(service: Service) -> dict[str, Call]:
    """What changes something."""
    return {
        "cancel": call(tuple[TaskId], service.clearing.cancel),
        "clear": call(tuple[Span, str, str], service.clearing.clear),
        "retry": call(tuple[TaskId, int, bool], service.ended.retry),
        "retry_dead": call(tuple[DeadQuery], service.ended.retry_dead),
        "drop": call(tuple[TaskId, bool], service.ended.drop),
        "drop_dead": call(tuple[DeadQuery], service.ended.drop_dead),
        "prioritise": call(tuple[TaskId, int], service.ordering.prioritise),
        "cancel_group": call(tuple[TaskId], service.together.cancel),
        "pause_schedule": call(tuple[ScheduleName, bool], service.timetable.pause),
        "run_schedule": call(tuple[ScheduleName, TaskId], service.timetable.run),
        "add_schedule": call(tuple[Plan], service.timetable.add),
        "remove_schedule": call(tuple[ScheduleName, bool], service.timetable.remove),
        "pause": call(tuple[str, bool], service.ordering.pause),
        "weigh": call(tuple[str, Weight], service.ordering.weigh),
        "hasten": call(tuple[TaskId], service.ordering.hasten),
        "drain": call(tuple[Seconds], service.draining.drain),
        "open": call(tuple[()], service.draining.open),
        "configure": call(tuple[dict[str, Any], list[str]], service.configuring.configure),
        "set_limit": call(tuple[Key, LimitCount | None], service.configuring.set_limit),
        "set_rate": call(tuple[Key, tuple[RateCount, Period] | None], service.configuring.set_rate),
    }


def _working(service: Service) -> dict[str, Call]:
    """What workers say."""
    return {
        "hello": call(tuple[Hello], service.staff.hello),
        "report": call(tuple[Report], service.staff.report),
        "item": call(tuple[Item], service.staff.item),
        "next": call(tuple[list[Report], int], service.staff.next),
    }


def call(arguments: object, handler: Callable[..., object]) -> Call:
    """One whose arguments are of these types."""
    return Call(msgspec.msgpack.Decoder(arguments).decode, handler)


def _dummy(connection: Connection, ident: int | None) -> object:
    """What a stock manager asks as it connects."""
    return None
