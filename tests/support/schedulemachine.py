"""Schedules driven at random: time, clocks that are set, crashes, and people; and what must be run at every step.

The tests keep the slots that were dealt with as a plain set, of slots that were listed beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.core.moment import Moment
from supervisor.core.plan import Misfire, Overlap, Plan
from supervisor.core.schedules import Schedule, Schedules
from supervisor.core.slots import Timing
from supervisor.wire.messages import Submission

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NIGHTS = tuple(
    int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    for text in ("2025-03-29T20:00", "2025-10-25T20:00", "2025-11-01T20:00", "2025-09-06T20:00", "2025-10-04T06:00")
)
TIMINGS = (
    Timing(cron="*/20 * * * *", zone="Europe/Berlin"),
    Timing(cron="30 2 * * *", zone="Europe/Berlin"),
    Timing(cron="0,30 0-3 * * *", zone="America/New_York"),
    Timing(cron="*/15 0-3 * * *", zone="Australia/Lord_Howe"),
    Timing(cron="0 0,1 * * *", zone="America/Santiago"),
    Timing(every=7 * MINUTE, start=NIGHTS[0] - 400 * DAY),
)
PLANS = st.builds(
    Plan,
    name=st.sampled_from("abc"),
    timing=st.sampled_from(TIMINGS),
    task=st.just(Submission(bytes(16), "task", b"!")),
    misfire=st.sampled_from(Misfire),
    grace=st.sampled_from((None, None, MINUTE, HOUR)),
    overlap=st.sampled_from(Overlap),
)
WINDOW = (-4 * DAY, 24 * DAY)


@lru_cache(maxsize=64)
def slots(timing: Timing, base: int) -> list[int]:
    """Every slot that can come up in a run."""
    found, slot = [], timing.after(base + WINDOW[0], 0)
    while slot is not None and slot < base + WINDOW[1]:
        found.append(slot)
        slot = timing.after(slot, 0)
    return found


@dataclass
class Model:
    """What the tests know of one schedule."""

    plan: Plan
    every: list[int]
    """Its slots."""
    seen: int
    dealt: set[int] = field(default_factory=set)
    open: set[bytes] = field(default_factory=set)
    paused: bool = False
    declared: bool = True
    missed: set[int] = field(default_factory=set)
    judged: int = 0
    """Up to here nothing is missed once more."""
    jumps: list[tuple[int, int, set[int]]] = field(default_factory=list)
    """Times passed over, and what was missed before them."""

    def pass_over(self, high: int, low: int | None = None) -> None:
        """Slots up to here that have no task have missed it."""
        low = max(self.seen, self.judged) if low is None else low
        found = {slot for slot in self.every if low < slot <= high and slot not in self.dealt}
        if found:
            self.jumps = [*self.jumps[-2:], (low, high, set(self.missed))]
            self.missed |= found

    def come(self, wall: int) -> bool:
        """Whether there is a slot to deal with, be it to pass it over."""
        return any(self.seen < slot <= wall and slot not in self.dealt for slot in self.every)

    def miss(self, slot: int) -> None:
        """This slot was dealt with, and has no task."""
        if slot > self.judged:
            self.missed.add(slot)

    def look(self, wall: int) -> None:
        """The clock may have been set back: into a jump, then those after it are still to come."""
        if wall >= self.seen:
            return
        into = [place for place, (low, high, _) in enumerate(self.jumps) if low <= wall < high]
        if into:
            low, _, before = self.jumps[into[0]]
            self.missed, self.judged, self.jumps = set(before), 0, self.jumps[: into[0]]
            self.pass_over(wall, low)
        else:
            self.judged = max(self.judged, self.seen)
        self.seen = wall

    def due(self, now: int) -> list[int]:
        """The slots to run now."""
        grace = self.plan.grace
        low = self.seen if grace is None else max(self.seen, now - grace - 1)
        found = [slot for slot in self.every if low < slot <= now and slot not in self.dealt]
        return found if self.plan.misfire is Misfire.ALL else found[-1:]

    @property
    def rests(self) -> bool:
        return self.paused or not self.declared


class BookDesk:
    """Takes tasks in, remembers them as a journal does, and refuses to be handed one twice."""

    def __init__(self) -> None:
        self.handed: list[Submission] = []
        self.journal: set[bytes] = set()
        self.running: set[bytes] = set()
        self.places = 10_000
        self.again: set[str] = set()
        """Schedules that were forgotten once: only the journal knows what they have run."""

    def unfinished(self, task_id: bytes) -> bool:
        return task_id in self.running

    def submit(self, submission: Submission) -> bytes | None:
        if not self.places:
            return None
        if submission.id in self.journal:
            assert self.again, "a slot was run twice"
            return submission.id
        self.handed.append(submission)
        self.journal.add(submission.id)
        self.running.add(submission.id)
        return submission.id

    def say(self, sentence: str) -> None:
        assert sentence.startswith("schedule ")


class ScheduleMachine(RuleBasedStateMachine):
    """Some schedules, and everything that happens to them and to the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Moment(1000.0, 0.0)
        self.schedules = Schedules()
        self.desk = BookDesk()
        self.models: dict[str, Model] = {}
        self.committed: dict[str, bytes] = {}
        self.base = 0

    @property
    def wall(self) -> int:
        return int(self.now.wall * 1000 + 1e-3)

    @initialize(
        night=st.sampled_from(NIGHTS), plans=st.lists(PLANS, min_size=2, max_size=4, unique_by=lambda p: p.name)
    )
    def begin(self, night: int, plans: list[Plan]) -> None:
        self.base = night
        self.now = Moment(1000.0, night / 1000)
        self.declare(plans)

    # -- the code ----------------------------------------------------------------------------------------------

    @rule(plans=st.lists(PLANS, max_size=3, unique_by=lambda plan: plan.name), keep=st.integers(0, 3))
    def change(self, plans: list[Plan], keep: int) -> None:
        """Other code is loaded, which declares some as before, some in another way, and some not any more."""
        kept = [model.plan for model in self.models.values() if model.declared][:keep]
        new = {plan.name: plan for plan in [*kept, *plans]}
        self.declare(list(new.values()))

    def declare(self, plans: list[Plan]) -> None:
        wanted = {plan.name: plan for plan in plans}
        for name, model in list(self.models.items()):
            if name not in wanted and model.paused:
                model.declared = False
            elif name not in wanted:
                del self.models[name]
                self.desk.again.add(name)
        for name, plan in wanted.items():
            self.plan(name, plan)
        self.schedules.declare(plans, 1, self.now)
        self.settle()

    def plan(self, name: str, plan: Plan) -> None:
        model = self.models.get(name)
        if model is None or model.plan.timing != plan.timing:
            self.desk.again |= {name} if model else set()
            paused = model.paused if model else False
            kept = model.open if model else set()
            self.models[name] = Model(plan, slots(plan.timing, self.base), self.wall - 1, open=kept, paused=paused)
        self.models[name].plan = plan
        self.models[name].declared = True
        if plan.overlap is not Overlap.SKIP:
            self.models[name].open = set()

    # -- time --------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.wall < self.base + 8 * DAY)
    @rule(seconds=st.sampled_from((0.01, 30.0, 400.0, 3600.0, 20_000.0)))
    def wait(self, seconds: float) -> None:
        """Nobody looks for so long: the supervisor is down, or the machine sleeps."""
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        self.settle()

    @precondition(lambda self: self.wall < self.base + 7 * DAY)
    @rule()
    def three_days(self) -> None:
        self.wait(3 * 86_400.0)

    @precondition(lambda self: self.wall < self.base + 8 * DAY)
    @rule(count=st.integers(1, 12))
    def go_on(self, count: int) -> None:
        """The loop as it is: it sleeps until something is due."""
        for _ in range(count):
            due = self.schedules.next_due(self.now)
            if due is None:
                return
            pause = due - self.now.mono
            if pause > 0.02:
                self.step(pause - 0.01)
                assert not self.settle(), "it came too early"
                pause = 0.011
            self.step(pause)
            if self.desk.places:
                # What was run before under other times is known by its id, and not run again.
                skips = any(model.plan.overlap is Overlap.SKIP for model in self.models.values())
                assert self.settle() or skips or self.desk.again

    def step(self, seconds: float) -> None:
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)

    @precondition(lambda self: self.base - 2 * DAY < self.wall < self.base + 8 * DAY)
    @rule(seconds=st.sampled_from((3600.0, -3600.0, -3600.0, 5.0, -0.3, -90.0, 86_400.0, -86_400.0)))
    def set_the_clock(self, seconds: float) -> None:
        self.now = Moment(self.now.mono + 0.5, self.now.wall + seconds)
        self.settle()

    # -- people ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.models)
    @rule(which=st.integers(0, 9), again=st.booleans())
    def pause(self, which: int, again: bool) -> None:
        name, model = sorted(self.models.items())[which % len(self.models)]
        self.schedules.pause(name, self.now)
        if not model.rests:
            model.pass_over(self.wall)
        model.paused = True
        self.settle()
        if again:
            self.resume(which)

    @precondition(lambda self: self.models)
    @rule(which=st.integers(0, 9))
    def resume(self, which: int) -> None:
        name, model = sorted(self.models.items())[which % len(self.models)]
        self.schedules.resume(name, self.now)
        if model.paused:
            model.paused = False
            model.look(self.wall)
            model.seen = self.wall
        self.settle()

    @precondition(lambda self: any(model.declared for model in self.models.values()))
    @rule(which=st.integers(0, 9))
    def run_now(self, which: int) -> None:
        known = sorted(name for name, model in self.models.items() if model.declared)
        name = known[which % len(known)]
        task_id = len(self.desk.journal).to_bytes(16)
        submission = self.schedules.submission(name, task_id)
        assert submission is not None
        assert submission.id == task_id
        self.desk.journal.add(task_id)
        self.desk.running.add(task_id)
        self.schedules.ran(name, task_id)
        if self.models[name].plan.overlap is Overlap.SKIP:
            self.models[name].open.add(task_id)
        self.settle()

    @rule(count=st.integers(1, 5))
    def tasks_end(self, count: int) -> None:
        for task_id in sorted(self.desk.running)[:count]:
            self.desk.running.remove(task_id)

    @rule(places=st.sampled_from((0, 10_000)))
    def fill_the_queue(self, places: int) -> None:
        self.desk.places = places
        self.step(1.001)
        self.settle()

    # -- what must hold ----------------------------------------------------------------------------------------

    def settle(self, *, crash: bool = False) -> int:
        """Turns of the broker until nothing is due; how many tasks it took in."""
        if not self.desk.places:
            self.step(1.001)  # a full queue is looked at again after a second
        expected = self.expected()
        self.schedules.tick(self.now, self.desk)
        while (due := self.schedules.next_due(self.now)) is not None and due <= self.now.mono:
            self.schedules.tick(self.now, self.desk)
        handed, self.desk.handed = self.desk.handed, []
        found = sorted(each.id for each in handed)
        assert found == sorted(set(expected) - self.known_before(found)), "the slots that were to be run, and no others"
        for each in handed:
            assert each.generation == 1
            assert each.payload == b"!"
        self.commit()
        return len(found)

    def known_before(self, found: list[bytes]) -> set[bytes]:
        return self.desk.journal - set(found)

    def expected(self) -> list[bytes]:
        ids: list[bytes] = []
        for name, model in self.models.items():
            if model.rests:
                continue
            model.look(self.wall)
            if not model.come(self.wall):
                continue
            for slot in model.due(self.wall):
                model.open &= self.desk.running | set(ids)
                if not model.open and not self.desk.places:
                    break
                model.pass_over(slot - 1)
                if model.open:
                    model.miss(slot)
                else:
                    ids.append(Schedule(name, model.plan.timing, 0, 0).slot_id(slot))
                    if model.plan.overlap is Overlap.SKIP:
                        model.open.add(ids[-1])
                model.dealt.add(slot)
                model.seen = max(model.seen, slot)
            else:
                model.pass_over(self.wall)
                model.seen = self.wall
        return ids

    def commit(self) -> None:
        for name, schedule in self.schedules.take_changes().items():
            if schedule is None:
                self.committed.pop(name, None)
            else:
                self.committed[name] = stored(schedule)

    @rule(told=st.booleans(), seconds=st.sampled_from((0.0, 1.0, 4000.0)))
    def crash(self, told: bool, seconds: float) -> None:
        """The broker dies in the middle of a turn: of what it did in it, the journal knows nothing."""
        self.step(30.0)
        before = set(self.desk.journal)
        self.schedules.tick(self.now, self.desk)
        self.desk.journal &= before
        self.desk.running &= before
        self.desk.handed = []
        self.schedules = Schedules()
        for data in self.committed.values():
            self.schedules.restore(msgspec.msgpack.decode(data, type=Schedule))
        assert self.schedules.next_due(self.now) is None, "nothing fires before the code was heard of"
        self.step(seconds)
        self.declare([model.plan for model in self.models.values() if model.declared])

    @invariant()
    def it_tells_what_it_is(self) -> None:
        rows = {row.name: row for row in self.schedules.rows()}
        assert set(rows) == {name for name, model in self.models.items() if model.declared}
        for name, row in rows.items():
            model = self.models[name]
            assert row.paused == model.paused
            assert (row.missed.count, row.missed.at_least) == (len(model.missed), False)
            assert row.missed.last is None or row.missed.last in model.missed
            assert (row.missed.last is None) == (not model.missed)
            low = min(model.seen, self.wall)
            later = [slot for slot in model.every if slot > low and slot not in model.dealt]
            if self.desk.places:
                assert row.next_slot == (None if model.paused else next(iter(later), row.next_slot))


def stored(schedule: Schedule) -> bytes:
    """What a journal keeps of it."""
    return msgspec.msgpack.encode(msgspec.structs.replace(schedule, plan=None))
