"""The kinds of task options: what each may be, and how it is read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import msgspec

from supervisor.core.ties import Fate
from supervisor.errors import TaskOptionError
from supervisor.ids import from_text, to_text
from supervisor.policy import ErrorType
from supervisor.settings.kind import Duration, Factor, Kind, Maybe, Plain, Size, Switch, Whole
from supervisor.wire.messages import LONGEST_CONTEXT


@runtime_checkable
class Parent(Protocol):
    """A handle, of a task or a group."""

    @property
    def __supervisor_ids__(self) -> Sequence[str]: ...


Parents = str | Parent | Iterable[str | Parent]


@dataclass(frozen=True)
class _Text(Plain):
    """Some words."""

    longest: int = 255
    unit = "text"

    @property
    def expects(self) -> str:
        return f"text of 1 to {self.longest} characters"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= self.longest:
            raise ValueError
        return value


class _Until(Plain):
    """How long a unique key is held."""

    unit = "text"
    expects = 'a duration, "started" or "finished"'

    def read(self, value: object) -> str | float:
        return str(value) if value in ("started", "finished") else Duration().read(value)


class _Context(Plain):
    """What a context begins with."""

    unit = "mapping"
    expects = f"a mapping of plain data, of at most {LONGEST_CONTEXT:,} bytes as JSON"

    def read(self, value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError
        try:
            data = msgspec.json.encode(dict(value))
        except (OverflowError, RecursionError) as error:
            raise ValueError from error
        if len(data) > LONGEST_CONTEXT:
            raise ValueError
        found: dict[str, Any] = msgspec.json.decode(data)
        return found


class _Names(Plain):
    """Names of arguments."""

    unit = "names"
    expects = "a name, or several of them"

    def read(self, value: object) -> tuple[str, ...]:
        names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
        if not all(isinstance(name, str) and 0 < len(name) <= 255 for name in names) or (value and not names):
            raise ValueError
        return names


class _RateText(Plain):
    """So many per period."""

    unit = "text"
    expects = 'a count and a period, such as "10/s", "100/m" or "5/2h"'

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        rate_of(value)
        return value


class _Aware(Plain):
    """A moment."""

    unit = "datetime"
    expects = "a datetime with a time zone"

    def read(self, value: object) -> datetime:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError
        return value


class _Handler(Plain):
    """A function that is asked."""

    unit = "callable"
    expects = "a function of (task_id, error, attempt)"

    def read(self, value: object) -> Callable[..., Any]:
        if not callable(value):
            raise ValueError
        with suppress(ValueError):  # some of those written in C do not tell
            inspect.signature(value).bind("", Exception(), 1)
        return value


class _Errors(Plain):
    """Exception types, one or several."""

    unit = "exception types"
    expects = "an exception type, or several"

    def read(self, value: object) -> tuple[ErrorType, ...]:
        found: tuple[Any, ...] = (
            tuple(value) if isinstance(value, Iterable) and not isinstance(value, type) else (value,)
        )
        if not all(isinstance(each, type) and issubclass(each, BaseException) for each in found):
            raise ValueError
        return found


class _Parents(Plain):
    """Tasks that are there already."""

    unit = "parents"
    expects = "a handle or the id of a task, or several of either"

    def read(self, value: object) -> tuple[str, ...]:
        return tuple(self._ids(value))

    def _ids(self, value: object) -> Iterator[str]:
        if isinstance(value, str):
            found = from_text(value)
            if found is None:
                raise ValueError
            yield to_text(found)
        elif isinstance(value, Parent):
            yield from value.__supervisor_ids__
        elif isinstance(value, Iterable):
            for each in value:
                yield from self._ids(each)
        else:
            raise TypeError


class _Fate(Plain):
    """What becomes of a task whose parent did not succeed."""

    unit = "text"
    expects = '"cancel", "fail" or "run"'

    def read(self, value: object) -> str:
        return Fate(str(value)).value


def rate_of(text: str) -> tuple[int, float]:
    """So many in so many seconds; ValueError for text that makes no sense."""
    count, slash, period = text.partition("/")
    if not slash:
        raise ValueError
    most = Whole(1).read(count.strip())
    period = period.strip()
    return most, Duration().read(period if period[:1].isdigit() else f"1{period}")


KINDS: dict[str, Kind[Any]] = {
    "timeout": Maybe(Duration()),
    "soft_timeout": Maybe(Duration()),
    "max_retries": Whole(0, 1_000_000),
    "retry_delay": Duration(above=False),
    "backoff": Factor(),
    "max_delay": Duration(above=False),
    "retry_jitter": Duration(above=False),
    "crash_budget": Whole(1, 1_000_000),
    "memory_limit": Maybe(Size()),
    "delay": Duration(above=False),
    "leave_children": Switch(),
    "expires": Maybe(Duration()),
    "unique": Maybe(_Text()),
    "unique_until": _Until(),
    "limit": Maybe(Whole(1)),
    "limit_key": Maybe(_Text()),
    "rate": Maybe(_RateText()),
    "rate_key": Maybe(_Text()),
    "queue": _Text(100),
    "store_result": Switch(),
    "result_ttl": Duration(),
    "eta": Maybe(_Aware()),
    "retry_on": Maybe(_Errors()),
    "never_retry_on": _Errors(),
    "error_handler": Maybe(_Handler()),
    "parent": Maybe(_Parents()),
    "on_parent_failure": _Fate(),
    "on_parent_cancel": _Fate(),
    "context": Maybe(_Context()),
    "profile": Switch(),
    "hidden": _Names(),
}


def read_option(name: str, kind: Kind[Any], value: object) -> object:
    """A value as its kind reads it; TaskOptionError where that makes no sense of it."""
    try:
        return kind.read(value)
    except (ValueError, TypeError):
        raise TaskOptionError(name, value, kind.expects) from None


def read_name(value: object) -> str:
    """The name of a task or handler; TaskOptionError for one that cannot be."""
    return str(read_option("name", _Text(), value))


def read_delay(option: str, value: float | str) -> float:
    """``delay`` under another name; TaskOptionError calls it by that."""
    seconds: Any = read_option(option, KINDS["delay"], value)
    return float(seconds)


def read_rate(value: str) -> tuple[int, float]:
    """So many in so many seconds, from text such as "10/s"; TaskOptionError for one that makes no sense."""
    return rate_of(str(read_option("rate", _RateText(), value)))
