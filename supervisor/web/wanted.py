"""Which tasks are asked for: the parameters of lists, and the filter of what is done to many."""

from __future__ import annotations

import time
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from supervisor.ids import id_of
from supervisor.states import State
from supervisor.web.problems import ProblemError

_LONGEST_AGO = 1e11
Text: TypeAlias = Annotated[str, Meta(max_length=255)]
Time: TypeAlias = Annotated[
    float,
    Meta(ge=-_LONGEST_AGO, le=_LONGEST_AGO, description="Seconds since 1970; below 0: so many seconds ago."),
]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=500)]
Cursor: TypeAlias = Annotated[str, Meta(max_length=100)]
MOST_SEQ = 1 << 62


class Filter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tasks; what is empty holds for all."""

    state: tuple[State, ...] = ()
    queue: Text = ""
    name: Annotated[str, Meta(max_length=255, description='A name, or a pattern such as "shop.*".')] = ""
    since: Time | None = None
    until: Time | None = None
    search: Annotated[
        str, Meta(max_length=255, description="In the name, the id, the messages of attempts that failed.")
    ] = ""
    parent: Annotated[str, Meta(max_length=36, description="An id: tasks that wait, or waited, for it.")] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it holds for all."""
        return self == Filter()


class TaskQuery(Filter, frozen=True, kw_only=True):
    """The parameters of the list of tasks."""

    limit: Limit = 50
    cursor: Cursor | None = None


class DeadQuery(Struct, frozen=True, kw_only=True):
    """The parameters of the list of dead letters."""

    name: Text = ""
    since: Time | None = None
    until: Time | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class PageQuery(Struct, frozen=True, kw_only=True):
    """A page of any list."""

    limit: Limit = 50
    cursor: Cursor | None = None


def filter_of(query: TaskQuery) -> Filter:
    """The part of it that says which tasks."""
    return Filter(**{name: getattr(query, name) for name in Filter.__struct_fields__})


def moment(when: float | None, otherwise: float) -> float:
    """A time in seconds since 1970."""
    if when is None:
        return otherwise
    return when if when >= 0 else time.time() + when


def seq_of(cursor: str | None) -> int:
    """The number behind a cursor; above all for none. ProblemError where it is no cursor."""
    if cursor is None:
        return MOST_SEQ
    if not cursor.isascii() or not cursor.isdigit() or int(cursor) > MOST_SEQ:
        raise ProblemError(400, f"{cursor!r} is no cursor of this list", "cursor")
    return int(cursor)


def parent_of(wanted: Filter) -> bytes | None:
    """The id of the parent. Raises UnknownTaskError."""
    return None if wanted.parent is None else id_of(wanted.parent)
