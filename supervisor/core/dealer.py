"""Which task a worker gets next, and whether it gets more than one in a call."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from supervisor.core.entry import Entry, Worker
from supervisor.core.keys import NO_KEYS
from supervisor.core.pace import Pace
from supervisor.core.ready import Place
from supervisor.core.waiting import Waiting
from supervisor.states import State

_QUEUED = State.QUEUED


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How much a worker is handed in one call: several tasks only while all of them are known to be short."""

    size: int = 256
    seconds: float = 0.002
    """Expected work, in all."""


class Dealer:
    """Takes tasks out of the ready queue; one that finds a gate shut goes to wait there instead."""

    def __init__(self, waiting: Waiting, batch: BatchPolicy) -> None:
        self.batch = batch
        self.pace = Pace()
        self._waiting = waiting

    def deal(self, worker: Worker, share: int, now: float) -> Iterator[Entry]:
        """At most ``share`` tasks for this worker. The caller leases each before it takes the next: a gate may shut."""
        ready, gates, generation = self._waiting.ready, self._waiting.gates, worker.generation
        most = min(share, self.batch.size, worker.wants)
        dealt, work = 0, 0.0
        place: Place | None = None
        alone = most > 1 and ready.alone
        while dealt < most:
            if not (alone and place and place[1] and place[1][0].state is _QUEUED):
                place = ready.next(generation, now)
                if place is None:
                    return
            entry = place[1][0]
            if entry.asking is not None:
                work = math.inf  # nothing is known of how long an error handler takes: it goes alone
            elif entry.keys is not NO_KEYS and gates.shut(entry, now):
                ready.take(place, turn=False)
                continue
            else:
                work += self.pace.expected(entry.kind.name)
            if dealt and work > self.batch.seconds:
                return
            dealt += 1
            yield ready.take(place)
