"""Every tally in use, the few numbers that belong to no single one, and what outlives a restart of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from supervisor.core.moment import Moment
from supervisor.core.tally import SPAN, Tally, Totals

MOST = 1000
"""Names that are counted apart; what is over is counted together, as :data:`OTHER`."""
OTHER = "(other)"
_KEPT = 900
_SECOND = 1.0
Row = tuple[str, str, float, bytes]
"""Queue, name, wall-clock time, totals."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Totals).decode


class Tallies:
    """Tallies by named queue and name."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}
        self.peak = 0
        """The most workers that ran something at once."""
        self._saved_peak = 0
        self._tick_at = 0.0
        self._turn_at = 0.0
        self._stale: list[tuple[str, str]] = []

    def __iter__(self) -> Iterator[Tally]:
        return iter(self._tallies.values())

    def get(self, queue: str, name: str) -> Tally:
        """The tally of this name in this queue."""
        found = self._tallies.get((queue, name))
        if found is not None:
            return found
        if len(self._tallies) >= MOST and name != OTHER:
            return self.get(queue if (queue, OTHER) in self._tallies else OTHER, OTHER)
        found = self._tallies[queue, name] = Tally(queue, name)
        return found

    def tick(self, mono: float, wall: float, *, at_once: bool = False) -> list[Row]:
        """At most once a second, or ``at_once``: what is to be written."""
        if mono < self._tick_at and not at_once:
            return []
        self._tick_at = mono + _SECOND
        over = 0 < self._turn_at <= mono
        self._turn_at = self._turn_at or mono  # the first span begins with the first tick
        while self._turn_at <= mono:
            self._turn_at += SPAN
        rows: list[Row] = []
        now = Moment(mono, wall)
        for tally in self._tallies.values():
            tally.tidy(mono)
            if over and tally.started:
                tally.wait.turn_over()
                tally.run.turn_over()
            if tally.unsaved:
                rows.append((tally.queue, tally.name, wall, _encode(tally.keep(now))))
        if self.peak != self._saved_peak:
            self._saved_peak = self.peak
            rows.append(("", "", wall, _encode(Totals(self.peak, {}, {}, []))))
        return rows

    def take_stale(self) -> list[tuple[str, str]]:
        """Rows that are to be deleted: what they told is counted elsewhere."""
        stale, self._stale = self._stale, []
        return stale

    def restore(self, rows: Iterable[tuple[str, str, bytes]], now: Moment) -> None:
        """Go on counting where the journal left off; ``rows`` come the latest first."""
        for count, (queue, name, body) in enumerate(rows):
            try:
                totals = _decode(body)
            except msgspec.MsgspecError:
                continue  # of another version: it is counted anew
            if not name:
                self.peak = self._saved_peak = totals.executed
            elif count < _KEPT or name == OTHER:
                self.get(queue, name).restore(totals, now)
            else:
                self._stale.append((queue, name))
                self.get(OTHER, OTHER).restore(totals, now)
