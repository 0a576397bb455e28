"""The schedules: what is declared, which slots were dealt with, and what is to be submitted now.

A pure state machine like the book. The clock is passed in; what is due goes to a :class:`Desk`, and what changed is
kept in :attr:`Schedules.changes` until it goes into the journal, in one transaction with the tasks.

No slot is run twice: the id of its task follows from the schedule's name and the slot, what was dealt with is kept in
spans (see :mod:`supervisor.core.fired`), and both outlive a restart. A clock that is set back makes slots of a time of
day or a date wait until it has caught up; an interval without a start of its own has no such tie, and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from supervisor.core.fired import Fired
from supervisor.core.keys import NO_KEYS, Limit
from supervisor.core.missed import MissCause, Misses
from supervisor.core.moment import Moment
from supervisor.core.plan import Misfire, Overlap, Plan, ScheduleRow
from supervisor.core.slots import Timing
from supervisor.ids import ordered_id
from supervisor.wire.messages import Submission

_MOST_AT_ONCE = 100
"""Slots of one schedule that are run in one look: a long catch-up must not hold up everything else."""
_MOST_COUNTED = 1000
"""Slots of a cron expression that are counted when many were missed: each costs some ten microseconds."""
_HOLD_SECONDS = 1.0
_MILLI = 1000
_SINCE = {
    MissCause.AWAY: "no supervisor ran or the clock was set forward",
    MissCause.HELD: "there was no room for its tasks",
}


class Desk(Protocol):
    """Where due tasks are handed in."""

    def submit(self, submission: Submission) -> bytes | None:
        """Take a task in, unless this very one was before: the id of the task that stands for it. None when there is no
        room for it now; empty when it is refused for good.
        """
        ...

    def unfinished(self, task_id: bytes) -> bool:
        """Whether this task has not ended."""
        ...

    def say(self, sentence: str) -> None:
        """Tell the people who read the log."""
        ...


class Schedule(Struct, eq=False):
    """One schedule, and how far it has come. All times are milliseconds since 1970."""

    name: str
    timing: Timing
    origin: int
    """When it was first seen with this timing."""
    seen: int
    """Every slot up to here was dealt with."""
    series: int = 0
    """Grows when slots are counted from another origin: then equal times are different slots."""
    paused: bool = False
    fired: Fired = field(default_factory=Fired)
    open: list[bytes] = field(default_factory=list)
    """Tasks that may not have ended yet, where that matters for the next slot."""
    last_slot: int | None = None
    last_task: bytes | None = None
    misses: Misses = field(default_factory=Misses)
    generation: int = 0
    """Of the code that declared or added it."""
    declared: bool = True
    """By the code; False for one that was added by a client."""
    plan: Plan | None = None
    """None after a restart, until the code has been heard of: then it rests."""
    next_slot: int | None = None
    held_until: float = 0.0
    """The monotonic time at which it is looked at again, where there was no room for its task; else 0."""

    # -- time --------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether it fires."""
        return self.plan is not None and not self.paused

    def follow(self) -> None:
        """Work out the next slot."""
        self.next_slot = next(self._unfired(self.seen), None) if self.active else None

    def _after(self, slot: int) -> int | None:
        return self.timing.after(slot, self.origin)

    def _unfired(self, low: int) -> Iterator[int]:
        slot = self._after(low)
        while slot is not None:
            span = self.fired.span(slot)
            if span is None:
                yield slot
            slot = self._after(slot if span is None else span[1])

    def realign(self, now: int) -> bool:
        """Whether the clock was set back behind what was seen; then go on from there."""
        if now >= self.seen:
            return False
        floats = self.timing.floating
        if floats and now >= self.seen - self.timing.every:
            return False  # a small step: at worst one interval is twice as long
        self._judge(self.misses.set_back(self.seen, now), now, MissCause.AWAY)
        if floats:
            self.origin += now - self.seen
            self._begin_series()
        else:
            self.origin = min(self.origin, now)
        self.seen = now
        return True

    def _begin_series(self) -> None:
        self.series += 1
        self.fired, self.misses.judged = Fired(), 0

    def restart(self, timing: Timing, now: int) -> None:
        """Begin anew, with another timing."""
        floats = self.timing.floating or timing.floating
        self.timing, self.origin, self.seen = timing, now, now - 1
        self.fired, self.misses = Fired(), Misses()
        self.series += floats

    def due(self, now: int, most: int) -> list[int]:
        """The slots to run now, oldest first: at most ``most`` of them."""
        plan = self.plan
        if plan is None:
            return []
        low = self.seen if plan.grace is None else max(self.seen, now - plan.grace - 1)
        if plan.misfire is not Misfire.ALL:
            latest = self._latest(low, now)
            return [] if latest is None else [latest]
        found: list[int] = []
        for slot in self._unfired(low):
            if slot > now or len(found) >= most:
                break
            found.append(slot)
        return found

    def _latest(self, low: int, high: int) -> int | None:
        while (slot := self.timing.latest(low, high, self.origin)) is not None:
            span = self.fired.span(slot)
            if span is None:
                return slot
            high = span[0] - 1
        return None

    # -- misses ------------------------------------------------------------------------------------------------

    def pass_over(self, high: int, cause: MissCause) -> int:
        """Slots up to here that have no task will have none; how many were not counted yet."""
        return self._judge(max(self.seen, self.misses.judged), high, cause)

    def _judge(self, low: int, high: int, cause: MissCause) -> int:
        count = 0
        for after, until in self.fired.gaps(low, high):
            count += self.timing.count(after, until, self.origin, _MOST_COUNTED + 1 - count)
        at_least = not self.timing.every and count > _MOST_COUNTED
        count = _MOST_COUNTED if at_least else count
        last = self._latest(low, high) if count else None
        if last is not None:
            self.misses.passed(low, high, self.misses.total.plus(count, last, cause, at_least=at_least))
        return count

    # -- tasks -------------------------------------------------------------------------------------------------

    def dealt(self, slot: int) -> None:
        """This slot was run, or passed over for good."""
        self.fired.add(slot, self._after)
        self.seen = max(self.seen, slot)

    def submitted(self, task_id: bytes, slot: int | None) -> None:
        """A task stands for a slot; None for one that was asked for."""
        self.last_task = task_id
        if slot is not None:
            self.last_slot = slot
        if self.plan is not None and self.plan.overlap is Overlap.SKIP:
            self.open.append(task_id)

    def overlaps(self, desk: Desk) -> bool:
        """Whether a task of an earlier slot keeps the next one from being run."""
        self.open = [task_id for task_id in self.open if desk.unfinished(task_id)]
        return bool(self.open)

    def submission(self, plan: Plan, task_id: bytes) -> Submission:
        """Its task."""
        keys = plan.task.keys
        if plan.overlap is Overlap.QUEUE:
            keys = replace(keys or NO_KEYS, limit=Limit(f"schedule:{self.name}", 1))
        # Again: it may have been accepted before, so it is looked for in the journal.
        return replace(plan.task, id=task_id, generation=self.generation, again=True, keys=keys)

    def slot_id(self, slot: int) -> bytes:
        """The id of the task of a slot: ordered by the slot's time, and always the same."""
        digest = blake2b(f"{self.name}\0{self.series}\0{slot}".encode(), digest_size=16).digest()
        return ordered_id(slot, int.from_bytes(digest))

    @property
    def row(self) -> ScheduleRow | None:
        """What clients read; None while it rests."""
        plan = self.plan
        if plan is None:
            return None
        start, stop = self.timing.bounds(self.origin)
        return ScheduleRow(
            name=self.name,
            task=plan.task.name,
            timing=self.timing,
            start=start,
            stop=stop,
            misfire=plan.misfire,
            grace=plan.grace,
            overlap=plan.overlap,
            declared=self.declared,
            paused=self.paused,
            next_slot=self.next_slot,
            last_slot=self.last_slot,
            last_task=self.last_task,
            missed=self.misses.total,
        )


class Schedules:
    """All of them, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Schedule] = {}
        self.changes: dict[str, Schedule | None] = {}
        """What the journal does not know yet; None for a schedule that is gone."""
        self._next: int | None = None
        self._seen = 0
        """A clock that shows less than this was set back."""
        self._retry: float | None = None
        """The monotonic time at which one that is held back is looked at again."""

    # -- what there is -----------------------------------------------------------------------------------------

    def restore(self, schedule: Schedule) -> None:
        """Take in what the journal knows of one."""
        self._by_name[schedule.name] = schedule
        schedule.follow()
        self._look_ahead()

    def declare(self, plans: Iterable[Plan], generation: int, now: Moment) -> None:
        """The code that runs from now on declares these, and no others."""
        wall = _wall(now)
        wanted = {plan.name: plan for plan in plans}
        for schedule in list(self._by_name.values()):
            if schedule.declared and schedule.name not in wanted:
                self._undeclare(schedule)
        for plan in wanted.values():
            self._put(plan, generation, wall, declared=True)
        self._look_ahead()

    def _undeclare(self, schedule: Schedule) -> None:
        if not schedule.paused:
            self._drop(schedule)
        elif schedule.plan is not None:
            schedule.plan = None  # it stays paused, should it ever come back
            self._changed(schedule)

    def add(self, plan: Plan, generation: int, now: Moment) -> bool:
        """A client adds one, or changes one that it added; False when the code declares one of this name."""
        known = self._by_name.get(plan.name)
        if known is not None and known.declared and known.plan is not None:
            return False
        if known is None or known.plan != plan or known.declared:
            self._put(plan, generation, _wall(now), declared=False)
            self._look_ahead()
        return True

    def remove(self, name: str) -> bool:
        """Drop one that a client added; False when the code declares it."""
        schedule = self._by_name[name]
        if schedule.declared:
            return False
        self._drop(schedule)
        self._look_ahead()
        return True

    def _put(self, plan: Plan, generation: int, wall: int, *, declared: bool) -> None:
        schedule = self._by_name.get(plan.name)
        if schedule is None:
            schedule = self._by_name[plan.name] = Schedule(plan.name, plan.timing, wall, wall - 1)
        elif schedule.timing != plan.timing:
            schedule.restart(plan.timing, wall)
        schedule.plan, schedule.generation, schedule.declared = plan, generation, declared
        if plan.overlap is not Overlap.SKIP:
            schedule.open = []
        self._changed(schedule)

    def _changed(self, schedule: Schedule) -> None:
        schedule.follow()
        self.changes[schedule.name] = schedule
        if schedule.active and schedule.next_slot is None and not schedule.declared:
            self._drop(schedule)  # its time is over for good

    def _drop(self, schedule: Schedule) -> None:
        del self._by_name[schedule.name]
        self.changes[schedule.name] = None

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def names(self) -> list[str]:
        """Those that fire, or would if they were not paused."""
        return [schedule.name for schedule in self._by_name.values() if schedule.plan is not None]

    def rows(self) -> list[ScheduleRow]:
        """What clients read, by name."""
        rows = [schedule.row for schedule in self._by_name.values()]
        return sorted((row for row in rows if row is not None), key=lambda row: row.name)

    # -- by hand -----------------------------------------------------------------------------------------------

    def pause(self, name: str, now: Moment) -> None:
        """Fire no more, whatever code is loaded, until it is resumed. What was held back by then is missed."""
        schedule = self._by_name[name]
        if schedule.active:
            schedule.pass_over(_wall(now), MissCause.HELD)
        schedule.paused, schedule.held_until = True, 0.0
        self._changed(schedule)
        self._look_ahead()

    def resume(self, name: str, now: Moment) -> None:
        """Fire again, from now on: what went by in between was not missed."""
        schedule = self._by_name[name]
        if not schedule.paused:
            return
        wall = _wall(now)
        schedule.paused = False
        schedule.realign(wall)
        schedule.seen = max(schedule.seen, wall)
        self._changed(schedule)
        self._look_ahead()

    def submission(self, name: str, task_id: bytes) -> Submission | None:
        """What is to be submitted to run it now, beside its slots and also when it is paused; None while it rests."""
        schedule = self._by_name.get(name)
        return None if schedule is None or schedule.plan is None else schedule.submission(schedule.plan, task_id)

    def ran(self, name: str, task_id: bytes) -> None:
        """It was run by hand; this task stands for that."""
        schedule = self._by_name[name]
        schedule.submitted(task_id, None)
        self._changed(schedule)

    # -- time --------------------------------------------------------------------------------------------------

    def tick(self, now: Moment, desk: Desk) -> None:
        """Hand in what is due."""
        if not self._by_name:
            return
        wall = _wall(now)
        if wall < self._seen:
            self._set_back(wall)
        due = self._next is not None and self._next <= wall
        if not due and (self._retry is None or now.mono < self._retry):
            return
        for schedule in list(self._by_name.values()):
            if schedule.held_until > now.mono:
                continue
            cause = MissCause.HELD if schedule.held_until else MissCause.AWAY
            schedule.held_until = 0.0
            if schedule.next_slot is None or schedule.next_slot > wall:
                continue
            if not self._fire(schedule, wall, desk, cause):
                schedule.held_until = now.mono + _HOLD_SECONDS
        self._look_ahead()

    def next_due(self, now: Moment) -> float | None:
        """The monotonic time of the next :meth:`tick` that can change anything, as long as nobody sets the clock."""
        if self._next is None:
            return self._retry
        due = now.mono_at(self._next / _MILLI)
        return min((time for time in (due, self._retry) if time is not None), default=None)

    def take_changes(self) -> dict[str, Schedule | None]:
        """What changed since the last call."""
        taken, self.changes = self.changes, {}
        return taken

    def _set_back(self, wall: int) -> None:
        for schedule in self._by_name.values():
            if schedule.active and schedule.realign(wall):
                self._changed(schedule)
        self._look_ahead()

    def _look_ahead(self) -> None:
        active = [schedule for schedule in self._by_name.values() if schedule.active]
        times = [each.next_slot for each in active if each.next_slot is not None and not each.held_until]
        self._next = min(times, default=None)
        self._retry = min((each.held_until for each in active if each.held_until), default=None)
        self._seen = max((each.seen - each.timing.every * each.timing.floating for each in active), default=0)

    def _fire(self, schedule: Schedule, now: int, desk: Desk, cause: MissCause) -> bool:
        """Deal with the slots that have come; False when there is no room for their tasks.

        Those that are passed over are so for this cause.
        """
        slots = schedule.due(now, _MOST_AT_ONCE)
        if not slots:
            self._pass_over(schedule, now, desk, cause)
        # Only what comes before the first can be missed: in the ordinary case nothing has to be counted.
        passed = cause if slots[:1] != [schedule.next_slot] else None
        for slot in slots:
            if not self._run(schedule, slot, desk, passed):
                schedule.follow()
                return False
            passed = None
        if len(slots) < _MOST_AT_ONCE:
            schedule.seen = now
        self._changed(schedule)
        return True

    def _run(self, schedule: Schedule, slot: int, desk: Desk, passed: MissCause | None) -> bool:
        """Deal with one slot; those before it are missed, for the cause ``passed``."""
        plan = schedule.plan
        assert plan is not None
        overlaps = plan.overlap is Overlap.SKIP and schedule.overlaps(desk)
        task_id = b"" if overlaps else desk.submit(schedule.submission(plan, schedule.slot_id(slot)))
        if task_id is None:
            return False
        if passed is not None:
            self._pass_over(schedule, slot - 1, desk, passed)
        if task_id:
            schedule.submitted(task_id, slot)
        else:
            schedule.misses.one(slot, MissCause.OVERLAP if overlaps else MissCause.REFUSED)
        if overlaps:
            desk.say(f"schedule {schedule.name} passes over a slot, since the task of an earlier one has not ended")
        schedule.dealt(slot)
        self.changes[schedule.name] = schedule
        return True

    def _pass_over(self, schedule: Schedule, high: int, desk: Desk, cause: MissCause) -> None:
        count = schedule.pass_over(high, cause)
        if count:
            slots = f"{count:,} slots{' or more' * schedule.misses.total.at_least}" if count > 1 else "a slot"
            desk.say(f"schedule {schedule.name} has missed {slots}, since {_SINCE[cause]}")


def _wall(now: Moment) -> int:
    """The milliseconds of the wall clock; what a float cannot hold exactly is not to make a slot wait."""
    return int(now.wall * _MILLI + 1e-3)
