"""Which task comes first."""

from __future__ import annotations

from enum import Enum, IntEnum

from supervisor.errors import TaskOptionError


class Priority(IntEnum):
    """Names for priorities; any whole number will do. Higher runs first."""

    LOW = -10
    NORMAL = 0
    HIGH = 10
    CRITICAL = 20


def read_priority(value: int | str | Enum) -> int:
    """The number behind a priority in any of its forms; TaskOptionError for one that makes no sense."""
    if isinstance(value, str):
        try:
            return Priority[value.upper()].value
        except KeyError:
            names = ", ".join(f'"{each.name.lower()}"' for each in Priority)
            raise TaskOptionError("priority", value, f"a whole number or one of {names}") from None
    number = value.value if isinstance(value, Enum) else value
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) > 1_000_000:
        raise TaskOptionError("priority", value, "a whole number of at most a million, or an Enum of them")
    return int(number)
