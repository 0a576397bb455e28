"""The kinds of value a setting can have: durations, sizes, whole numbers, choices, switches.

A kind reads what a person wrote (a number or "30s", from any source), says in words what it expects, shows a
value the way a person would write it, and gives the plain form that goes into JSON. It reads its own plain
form too, so that values survive the way to another process.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from supervisor.settings.nearest import did_you_mean

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
TEN_YEARS = 3650 * SECONDS["d"]

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,3})?", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_PARTS = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_SIZE = re.compile(r"(\d{1,15})(?:(\.\d{1,15})?\s*([KMGT]))?(?:I?B)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,3}(?:_?\d{1,3})*", re.ASCII)
_SWITCH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class Kind(Protocol[T_co]):
    """How the value of one setting is read, described, shown and written."""

    @property
    def unit(self) -> str:
        """What the value counts, in a word or two for the reference."""
        ...

    @property
    def expects(self) -> str:
        """What a person may write, as the end of the sentence "it must be …"."""
        ...

    def read(self, value: object) -> T_co:
        """The value meant by what was written; ValueError, with a hint or nothing, when it means none."""
        ...

    def show(self, value: Any) -> str:
        """The value as a person would write it."""
        ...

    def plain(self, value: Any) -> object:
        """The value as plain data that JSON can hold and `read` takes back."""
        ...


class Plain:
    """For kinds whose values are plain data as they are."""

    def show(self, value: Any) -> str:
        return str(value)

    def plain(self, value: Any) -> object:
        return value


@dataclass(frozen=True)
class Duration(Plain):
    """Seconds, as a number or with units: 30, "30s", "1h30m", "2ms". `above` leaves out `least` itself."""

    least: float = 0.0
    above: bool = True
    most: float = TEN_YEARS

    @property
    def unit(self) -> str:
        return "duration"

    @property
    def expects(self) -> str:
        low = f"above {self.least:g}" if self.above else f"from {self.show(self.least)}"
        return f'a duration {low} up to {self.show(self.most)}, in seconds or such as "30s", "5m" or "1h30m"'

    def read(self, value: object) -> float:
        seconds = _seconds(value)
        if not self.least <= seconds <= self.most or (self.above and seconds == self.least):
            raise ValueError
        return float(seconds)

    def show(self, value: Any) -> str:
        if 0 < value < 1:
            return f"{value * 1000:.12g}ms"
        name = next(name for name in ("d", "h", "m", "s", "") if not name or _fits(value, SECONDS[name]))
        return f"{value / SECONDS[name]:.0f}{name}" if name else f"{value:.12g}s"


@dataclass(frozen=True)
class Size(Plain):
    """Bytes, as a whole number or with a power of 1024: 1048576, "64K", "200M", "1.5G"."""

    least: int = 1
    most: int = 1024 * BYTES["T"]

    @property
    def unit(self) -> str:
        return "size"

    @property
    def expects(self) -> str:
        bounds = f"from {self.show(self.least)} to {self.show(self.most)}"
        return f'a size {bounds}, in bytes or such as "64K", "200M" or "1.5G"'

    def read(self, value: object) -> int:
        size = _bytes(value)
        if not self.least <= size <= self.most:
            raise ValueError
        return size

    def show(self, value: Any) -> str:
        name = next(name for name in ("T", "G", "M", "K", "") if not name or _fits(value, BYTES[name]))
        return f"{value // BYTES[name]}{name}"


@dataclass(frozen=True)
class Whole(Plain):
    """A whole number between two bounds."""

    least: int = 0
    most: int = 1_000_000_000

    @property
    def unit(self) -> str:
        return f"{self.least:,} to {self.most:,}"

    @property
    def expects(self) -> str:
        return f"a whole number from {self.least:,} to {self.most:,}"

    def read(self, value: object) -> int:
        number = _whole(value)
        if not self.least <= number <= self.most:
            raise ValueError
        return number


@dataclass(frozen=True)
class Factor(Plain):
    """A number to multiply with."""

    least: float = 1.0
    most: float = 100.0

    @property
    def unit(self) -> str:
        return f"{self.least:g} to {self.most:g}"

    @property
    def expects(self) -> str:
        return f"a number from {self.least:g} to {self.most:g}"

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        factor = float(value)
        if not self.least <= factor <= self.most:
            raise ValueError
        return factor


@dataclass(frozen=True)
class Choice(Plain):
    """One of a few words; upper and lower case are alike."""

    words: tuple[str, ...]

    @property
    def unit(self) -> str:
        return ", ".join(f"`{word}`" for word in self.words)

    @property
    def expects(self) -> str:
        return "one of " + ", ".join(f'"{word}"' for word in self.words)

    def read(self, value: object) -> str:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in self.words:
            raise ValueError(did_you_mean(word, self.words))
        return word


class Switch(Plain):
    """On or off."""

    unit = "`true`, `false`"
    expects = '"true" or "false"'

    def read(self, value: object) -> bool:
        word = str(value).strip().lower() if isinstance(value, str | int) else ""
        if word not in _SWITCH:
            raise ValueError
        return _SWITCH[word]

    def show(self, value: Any) -> str:
        return "true" if value else "false"


@dataclass(frozen=True)
class Maybe(Generic[T]):
    """A kind that may also be left open: None in Python, `word` in text."""

    kind: Kind[T]
    word: str = "none"

    @property
    def unit(self) -> str:
        return f"{self.kind.unit} or `{self.word}`"

    @property
    def expects(self) -> str:
        return f'{self.kind.expects}, or "{self.word}"'

    def read(self, value: object) -> T | None:
        if value is None or (isinstance(value, str) and value.strip().lower() == self.word):
            return None
        return self.kind.read(value)

    def show(self, value: Any) -> str:
        return self.word if value is None else self.kind.show(value)

    def plain(self, value: Any) -> object:
        return None if value is None else self.kind.plain(value)


def _fits(value: float, unit: float) -> bool:
    return value >= unit and value % unit == 0


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    seconds = _seconds_written(value.strip().lower()) if isinstance(value, str) else value
    if isinstance(seconds, float) and math.isinf(seconds):
        raise ValueError('where no limit is allowed it is written "none"')
    return seconds


def _seconds_written(text: str) -> float:
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = text.replace(" ", "")
    if not _PARTS.fullmatch(parts):
        raise ValueError
    return math.fsum(float(number) * SECONDS[unit] for number, unit in _PART.findall(parts))


def _bytes(value: object) -> int:
    if not isinstance(value, str):
        return _whole(value)
    match = _SIZE.fullmatch(value.strip().replace("_", ""))
    if match is None:
        raise ValueError
    whole, fraction, unit = match[1], match[2] or "", match[3] or ""
    return int(float(whole + fraction) * BYTES[unit.upper()])


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    if isinstance(value, str) and not (len(value) < 40 and _WHOLE.fullmatch(value.strip())):
        raise ValueError
    return int(value)
