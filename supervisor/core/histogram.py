"""How often values of each size occurred, in buckets that grow by a tenth: quantiles with a known error.

A value is told by the middle of its bucket, which is at most 5 % from it. From a microsecond to a hundred days there
are 314 buckets, so nothing is ever sorted, and what was counted apart can be added up.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping

GROWTH = 1.1
"""Each bucket ends at so many times its beginning: the middle is at most (GROWTH - 1) / (GROWTH + 1) off."""
LEAST = 1e-6
"""Seconds below which values are not told apart."""
MOST = 1e7
_SCALE = 1.0 / math.log(GROWTH)
_BUCKETS = math.ceil(math.log(MOST / LEAST) * _SCALE) + 1
_FIRST = -math.log(LEAST) * _SCALE


def places(values: Iterable[float]) -> Counter[int]:
    """How many of these seconds belong into each bucket. Many in one call cost a third of what they cost one by one."""
    log, scale, first, least = math.log, _SCALE, _FIRST, LEAST
    found = Counter([int(log(value) * scale + first) if value > least else 0 for value in values])
    for place in [each for each in found if each >= _BUCKETS]:
        found[_BUCKETS - 1] += found.pop(place)
    return found


def bound(place: int) -> float:
    """The seconds at which a bucket ends: all that it holds is below."""
    return LEAST * GROWTH ** (place + 1)


class Histogram:
    """Counts of seconds by bucket, and their sum."""

    __slots__ = ("buckets", "count", "total")

    def __init__(self) -> None:
        self.buckets = [0] * _BUCKETS
        self.count = 0
        self.total = 0.0

    def add(self, values: list[float]) -> None:
        """Count these."""
        self.put(places(values), len(values), sum(values))

    def put(self, found: Mapping[int, int], count: int, total: float) -> None:
        """Count so many, which :func:`places` has told apart, and their sum."""
        self.count += count
        self.total += total
        for place, number in found.items():
            self.buckets[place] += number

    def merge(self, other: Histogram) -> None:
        """Count all that was counted there as well."""
        if not other.count:
            return
        self.buckets = [ours + theirs for ours, theirs in zip(self.buckets, other.buckets, strict=True)]
        self.count += other.count
        self.total += other.total

    def quantiles(self, *parts: float) -> list[float | None]:
        """The values that ``parts`` (0 to 1, ascending) of all values do not exceed; None where there are none."""
        if not self.count:
            return [None] * len(parts)
        wanted = deque(max(1, math.ceil(part * self.count)) for part in parts)
        found: list[float | None] = []
        seen = 0
        for place, count in enumerate(self.buckets):
            seen += count
            while wanted and seen >= wanted[0]:
                wanted.popleft()
                found.append(LEAST * GROWTH**place * 2 * GROWTH / (1 + GROWTH))
            if not wanted:
                break
        return found

    @property
    def mean(self) -> float | None:
        """Exact."""
        return self.total / self.count if self.count else None

    def sparse(self) -> dict[int, int]:
        """The buckets that hold something."""
        return {place: count for place, count in enumerate(self.buckets) if count}

    @classmethod
    def of(cls, sparse: Mapping[int, int], total: float) -> Histogram:
        """What :meth:`sparse` gave; what does not fit is left out."""
        made = cls()
        for place, count in sparse.items():
            if 0 <= place < _BUCKETS and count > 0:
                made.buckets[place] = count
                made.count += count
        made.total = total
        return made
