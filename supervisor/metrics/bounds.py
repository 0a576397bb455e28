"""The bounds of the histograms: those of the buckets in which values are counted, so that every count is exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from supervisor.core.histogram import bound

TIMES = range(49, 266, 8)
"""Of waits and runs, by bucket: from a tenth of a millisecond to a day, three a decade."""
LATENESS = range(71, 188, 6)
"""Of kills: from a millisecond to a minute, four a decade."""
COMMITS = range(13, 35)
"""Of commits, by bits of nanoseconds: from eight microseconds to seventeen seconds, doubling."""
Buckets = Sequence[tuple[str, float]]
"""Upper bounds, and how many values lie below each."""


def by_place(counts: Mapping[int, int], places: Iterable[int]) -> Buckets:
    """Of what :func:`supervisor.core.histogram.places` has counted."""
    ends = [*places]
    found = [(bound(end), sum(count for place, count in counts.items() if place <= end)) for end in ends]
    return _closed(found, sum(counts.values()))


def by_bits(counts: Sequence[int]) -> Buckets:
    """Of what :class:`supervisor.broker.commits.Commits` has counted."""
    below = list(accumulate(counts))
    return _closed([((1 << bits) / 1e9, below[bits]) for bits in COMMITS], below[-1])


def _closed(found: Iterable[tuple[float, int]], whole: int) -> Buckets:
    return [*((repr(end), float(count)) for end, count in found), ("+Inf", float(whole))]
