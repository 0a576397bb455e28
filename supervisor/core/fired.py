"""Which slots of a schedule were dealt with, so that a clock that is set back makes none of them fire twice.

Slots follow each other in a fixed order, so it is enough to keep *spans* of them without a gap: one, as a rule. A gap
is left where slots were passed over, after a clock was set forward, say; should it be set back again they are still
to come.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator

from msgspec import Struct

_MOST_SPANS = 32
Span = tuple[int, int]


class Fired(Struct):
    """Spans of slots, in order: (first, last)."""

    spans: list[Span] = []

    def span(self, slot: int) -> Span | None:
        """The span that holds this slot; None when it was not dealt with."""
        place = bisect_right(self.spans, slot, key=_first)
        if place and self.spans[place - 1][1] >= slot:
            return self.spans[place - 1]
        return None

    def gaps(self, low: int, high: int) -> Iterator[Span]:
        """What is left of the time later than ``low`` and not later than ``high``, as such times, without the spans."""
        for first, last in self.spans:
            if first > high:
                break
            if last > low:
                yield low, first - 1
                low = last
        yield low, high

    def add(self, slot: int, after: Callable[[int], int | None]) -> None:
        """This slot is dealt with. ``after`` gives the slot that follows another."""
        place = bisect_right(self.spans, slot, key=_first)
        first = last = slot
        low = high = place
        if place and after(self.spans[place - 1][1]) == slot:
            low, first = place - 1, self.spans[place - 1][0]
        if place < len(self.spans) and after(slot) == self.spans[place][0]:
            high, last = place + 1, self.spans[place][1]
        self.spans[low:high] = [(first, last)]
        if len(self.spans) > _MOST_SPANS:
            # Whoever sets the clock so often loses the oldest gap, not the promise.
            self.spans[:2] = [(self.spans[0][0], self.spans[1][1])]


def _first(span: Span) -> int:
    return span[0]
