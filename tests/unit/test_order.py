"""Order between tasks, by hand and by property: priority and age, queues and weights, gates, keys, expiry."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.agenda import Agenda
from supervisor.core.book import Book
from supervisor.core.capacity import Capacity
from supervisor.core.entry import Entry, Worker
from supervisor.core.expiries import Expiries
from supervisor.core.gates import Gates
from supervisor.core.keys import NO_KEYS, Keys, Limit, Rate
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.lines import HIGH, Lines, aged
from supervisor.core.moment import Moment
from supervisor.core.ready import ReadyQueue
from supervisor.ids import new_id
from supervisor.states import State
from supervisor.wire.messages import Hello, Outcome, Report, Submission
from supervisor.wire.options import Options

KINDS = Kinds(Defaults())
ONE, TWO = Limit("one", 1), Limit("two", 2)
COUNTS = st.lists(st.integers(0, 40), min_size=1, max_size=4)


def entry(seq: int, since: float = 0.0, *, priority: int = 0, queue: str = "default", **more: Any) -> Entry:
    kind = KINDS.get("t", Options(queue=queue))
    return Entry(seq, seq.to_bytes(16), kind, 0, State.QUEUED, priority=priority, since=since, **more)


def pop(ready: ReadyQueue, generation: int, now: float, *, turn: bool = True) -> Entry | None:
    """What a worker with code of this generation gets."""
    place = ready.next(generation, now)
    return ready.take(place, turn=turn) if place is not None else None


def drained(ready: ReadyQueue, now: float = 0.0) -> list[Entry]:
    """Everything, in order."""
    found: list[Entry] = []
    while (popped := pop(ready, 9, now)) is not None:
        found.append(popped)
    assert len(ready) == 0
    return found


def names(entries: list[Entry]) -> str:
    """The queues that these came from, a letter each."""
    return "".join(each.kind.queue[0] for each in entries)


# -- priority and age --------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-20, 30), st.floats(0, 1e4)), max_size=30), st.floats(0, 1e4))
def test_without_ageing_it_is_strictly_priority_then_arrival(made: list[tuple[int, float]], now: float) -> None:
    entries = [entry(seq, since, priority=priority) for seq, (priority, since) in enumerate(made)]
    ready = ReadyQueue()
    for each in entries:
        ready.push(each)
    assert drained(ready, now) == sorted(entries, key=lambda each: (-each.priority, each.since, each.seq))


@given(
    st.lists(st.tuples(st.integers(-20, 30), st.floats(0, 1e4)), max_size=30),
    st.floats(1e4, 2e4),
    st.floats(0.5, 500.0),
)
def test_with_ageing_waiting_counts_up_to_high(made: list[tuple[int, float]], now: float, ageing: float) -> None:
    entries = [entry(seq, since, priority=priority) for seq, (priority, since) in enumerate(made)]
    ready = ReadyQueue(ageing)
    for each in entries:
        ready.push(each)
    ranks = [(-aged(each.priority, now - each.since, ageing), each.since, each.seq) for each in drained(ready, now)]
    assert ranks == sorted(ranks)


@given(st.integers(-1000, 1000), st.floats(0, 1e9), st.floats(0.001, 1e6))
def test_age_lifts_nothing_above_high_and_lowers_nothing(priority: int, waited: float, ageing: float) -> None:
    found = aged(priority, waited, ageing)
    assert found >= priority
    assert found <= HIGH or found == priority
    assert aged(priority, waited, 0.0) == priority


@given(st.integers(-30, 9), st.floats(0.1, 10.0))
def test_nothing_starves_below_a_stream_of_high(priority: int, ageing: float) -> None:
    """One low task, and a high one more at each step: it is its turn when its age has made up for the difference."""
    ready, low = ReadyQueue(ageing), entry(0, 0.0, priority=priority)
    ready.push(low)
    step = 0
    while True:
        step += 1
        assert step <= (HIGH - priority) * ageing + 2
        ready.push(entry(step, float(step), priority=HIGH))
        if pop(ready, 9, float(step)) is low:
            break


def test_what_is_above_high_stays_above_whatever_waits() -> None:
    ready = ReadyQueue(0.001)
    old = entry(0, 0.0, priority=-10)
    ready.push(old)
    for step in range(1, 100):
        urgent = entry(step, float(step), priority=HIGH + 1)
        ready.push(urgent)
        assert pop(ready, 9, float(step)) is urgent
    assert pop(ready, 9, 100.0) is old


@given(st.lists(st.integers(0, 5), max_size=30), st.data())
def test_what_comes_back_has_its_old_place(priorities: list[int], data: st.DataObject) -> None:
    entries = [entry(seq, float(seq), priority=priority) for seq, priority in enumerate(priorities)]
    ready = ReadyQueue(10.0)
    for each in entries:
        ready.push(each)
    taken = [pop(ready, 9, 100.0) for _ in range(data.draw(st.integers(0, len(entries))))]
    for back in data.draw(st.permutations([each for each in taken if each is not None])):
        ready.push(back)
    everything = ReadyQueue(10.0)
    for each in entries:
        everything.push(each)
    assert drained(ready, 100.0) == drained(everything, 100.0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_a_changed_priority_keeps_the_arrival(changes: list[tuple[int, int]]) -> None:
    entries = [entry(seq, float(seq), priority=before) for seq, (before, _) in enumerate(changes)]
    ready = ReadyQueue()
    for each in entries:
        ready.push(each)
    for each, (_, after) in zip(entries, changes, strict=True):
        ready.move(each, after)
    assert drained(ready) == sorted(entries, key=lambda each: (-each.priority, each.seq))


def test_newer_code_s_tasks_are_left_alone_by_older_workers() -> None:
    ready = ReadyQueue()
    new, old = entry(0, 0.0, priority=5), entry(1, 0.0)
    new.generation, old.generation = 2, 1
    ready.push(new)
    ready.push(old)
    assert pop(ready, 1, 0.0) is old
    assert pop(ready, 1, 0.0) is None
    assert pop(ready, 2, 0.0) is new


def test_a_million_cancelled_tasks_are_not_kept() -> None:
    lines = Lines()
    entries = [entry(seq, float(seq)) for seq in range(5000)]
    for each in entries:
        lines.add(each)
    for each in entries[1:]:
        each.state = State.CANCELLED
    lines.clear_away()
    assert len(lines) == 1


# -- queues ------------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from((0.5, 1.0, 2.0, 3.5)), min_size=1))
def test_queues_have_turns_by_their_weight(weights: dict[str, float]) -> None:
    ready = ReadyQueue()
    seq = 0
    for name, weight in weights.items():
        ready.queue(name).weight = weight
        for _ in range(200):
            seq += 1
            ready.push(entry(seq, priority=seq % 3, queue=name))
    taken = [pop(ready, 9, 0.0) for _ in range(100)]
    counts = Counter(each.kind.queue for each in taken if each is not None)
    for name, weight in weights.items():
        assert abs(counts[name] - 100 * weight / sum(weights.values())) <= 1 + max(weights.values())


@given(COUNTS)
def test_no_queue_is_forgotten(counts: list[int]) -> None:
    ready = ReadyQueue()
    for number, count in enumerate(counts):
        for seq in range(count):
            ready.push(entry(seq, queue="abcd"[number]))
    assert Counter(names(drained(ready))) == Counter({"abcd"[number]: n for number, n in enumerate(counts) if n})


def test_a_queue_that_was_paused_or_empty_has_saved_nothing_up() -> None:
    ready = ReadyQueue()
    for seq in range(300):
        ready.push(entry(seq, queue="a"))
        ready.push(entry(seq + 1000, queue="b"))
    ready.pause("b", paused=True)
    assert names([pop(ready, 9, 0.0) or entry(0) for _ in range(100)]) == "a" * 100
    ready.pause("b", paused=False)
    assert Counter(names([pop(ready, 9, 0.0) or entry(0) for _ in range(20)])) == {"a": 10, "b": 10}
    for seq in range(100):
        ready.push(entry(seq + 5000, queue="c"))
    assert Counter(names([pop(ready, 9, 0.0) or entry(0) for _ in range(30)])) == {"a": 10, "b": 10, "c": 10}


def test_stepping_aside_costs_a_queue_no_turn() -> None:
    ready = ReadyQueue()
    for seq in range(100):
        ready.push(entry(seq, queue="a"))
        ready.push(entry(seq + 1000, queue="b"))
    for _ in range(50):
        ready.pause("b", paused=True)
        assert pop(ready, 9, 0.0, turn=False) is not None
    ready.pause("b", paused=False)
    assert Counter(names([pop(ready, 9, 0.0) or entry(0) for _ in range(40)])) == {"a": 20, "b": 20}


def test_queues_that_are_not_used_any_more_are_forgotten() -> None:
    ready = ReadyQueue()
    ready.pause("kept", paused=True)
    for number in range(5000):
        ready.push(entry(number, queue=f"user {number}"))
        assert pop(ready, 9, 0.0) is not None
    assert len(ready.queues) <= 1001
    assert ready.queues["kept"].paused


# -- gates -------------------------------------------------------------------------------------------------------


def limited(seq: int, limit: Limit | None = ONE, rate: Rate | None = None, priority: int = 0) -> Entry:
    return entry(seq, float(seq), priority=priority, keys=Keys(limit=limit, rate=rate))


def test_a_slot_is_passed_on_by_priority_and_arrival() -> None:
    gates = Gates()
    first, *rest = [limited(0), limited(1), limited(2, priority=5), limited(3)]
    assert not gates.shut(first, 10.0)
    gates.enter(first, 1, 10.0)
    assert all(gates.shut(each, 10.0) for each in rest)
    assert len(gates) == 3
    order = []
    lease = 1
    while released := gates.leave(lease, 10.0):
        assert len(released) == 1, "as many as there is room for"
        order += released
        lease += 1
        gates.enter(released[0], lease, 10.0)
    assert [each.seq for each in order] == [2, 1, 3]
    assert len(gates) == 0


def test_a_low_task_does_not_starve_at_a_gate() -> None:
    gates, low = Gates(ageing=1.0), limited(0, priority=0)
    gates.enter(limited(1), 0, 0.0)
    assert gates.shut(low, 0.0)
    step = 0
    released = limited(1)
    while released is not low:
        step += 1
        now = float(step)
        assert gates.shut(entry(step, now, priority=5, keys=Keys(limit=ONE)), now)
        (released,) = gates.leave(step - 1, now)
        gates.enter(released, step, now)
    assert 4 <= step <= 6


def test_a_slot_is_not_lost_with_the_task_that_it_was_meant_for() -> None:
    """Let back to the ready queue, it may be cancelled there, or lie in a queue that is paused."""
    gates = Gates()
    running, meant, other = limited(0), limited(1), limited(2)
    gates.enter(running, 1, 0.0)
    assert gates.shut(meant, 0.0)
    assert gates.shut(other, 0.0)
    assert gates.leave(1, 5.0) == [meant]
    when = gates.next_time()
    assert when is not None
    assert when <= 5.2
    assert gates.due(when) == [other]
    assert gates.next_time() is None, "and then there is nothing left to look for"


def test_ten_thousand_at_a_gate_are_let_alone_while_all_workers_are_busy() -> None:
    gates = Gates()
    gates.enter(limited(0), 1, 0.0)
    for seq in range(1, 10_000):
        gates.shut(limited(seq), 0.0)
    back = len(gates.leave(1, 0.0))
    now = 0.0
    while now < 10.0:
        when = gates.next_time()
        assert when is not None
        assert when > now
        now = when
        back += len(gates.due(now))
    assert back <= 110, "ten a second, to see whether one of them gets through"


@given(
    st.integers(1, 4),
    st.floats(0.1, 10.0),
    st.lists(st.floats(0, 3.0), min_size=1, max_size=60),
    st.lists(st.integers(0, 59), max_size=10),
)
def test_no_window_ever_holds_more_starts_than_the_rate(
    most: int, seconds: float, gaps: list[float], given_back: list[int]
) -> None:
    """Tasks come at any times; each starts at once where it may, and else exactly when the window opens."""
    gates, rate = Gates(), Rate("r", most, seconds)
    starts: dict[int, float] = {}
    now, lease = 0.0, 0

    def hand_out(found: list[Entry]) -> None:
        nonlocal lease
        for each in found:
            if not gates.shut(each, now):
                gates.enter(each, lease, now)
                starts[lease] = now
                lease += 1

    for seq, gap in enumerate(gaps):
        until = now + gap
        while (when := gates.next_time()) is not None and when <= until:
            now = when
            hand_out(gates.due(now))
        now = until
        hand_out([limited(seq, None, rate)])
        if seq in given_back and starts and lease - 1 in starts:
            gates.give_back(lease - 1, now)
            gates.leave(lease - 1, now)
            starts[lease - 1] = -1e9  # it never started
    while len(gates):
        when = gates.next_time()
        assert when is not None, "whoever waits is woken up"
        now = when
        hand_out(gates.due(now))
    assert len(starts) == len(gaps)
    times = sorted(time for time in starts.values() if time >= 0)
    for first, last in zip(times, times[most:], strict=False):
        assert first + seconds <= last, "one too many in a window"


def test_a_window_is_exact_at_its_edges() -> None:
    gates, rate = Gates(), Rate("r", 2, 10.0)
    for now in (0.0, 4.0):
        gates.enter(limited(int(now), None, rate), int(now), now)
    for seq in (10, 11, 12):
        assert gates.shut(limited(seq, None, rate), 5.0)
    assert gates.due(9.999) == []
    (released,) = gates.due(10.0)
    gates.enter(released, 10, 10.0)
    assert gates.next_time() == pytest.approx(10.1)
    assert gates.due(13.9) == []
    assert len(gates.due(14.0)) == 1


def test_a_start_that_did_not_count_is_given_back() -> None:
    gates, rate = Gates(), Rate("r", 1, 10.0)
    gates.enter(limited(0, ONE, rate), 1, 0.0)
    assert gates.shut(limited(1, None, rate), 1.0)
    gates.give_back(1, 2.0)
    gates.leave(1, 2.0)
    assert gates.next_time() == 2.0
    assert len(gates.due(2.0)) == 1


def test_gates_that_nobody_uses_are_forgotten() -> None:
    gates = Gates()
    for number in range(1000):
        now = number / 10
        gates.due(now)
        gates.enter(limited(number, Limit(f"l{number}", 1), Rate(f"r{number}", 1, 5.0)), number, now)
        gates.leave(number, now)
    assert len(gates._gates) <= 51, "only the windows of the last five seconds"
    assert gates.due(1e6) == []
    assert not gates._gates


# -- expiry ------------------------------------------------------------------------------------------------------


def test_tasks_that_end_before_they_expire_are_not_kept() -> None:
    expiries = Expiries()
    for seq in range(100_000):
        done = entry(seq, expires=1e9)
        expiries.add(done)
        done.state = State.SUCCEEDED
        expiries.ended()
    assert len(expiries) <= 2001
    assert expiries.next_wall() is None


# -- the book ----------------------------------------------------------------------------------------------------


class World:
    """A book with a clock."""

    def __init__(self, *, ageing: float = 0.0, **options: Any) -> None:
        self.book = Book(Agenda(Kinds(Defaults(**options)), Capacity(1000), ageing, seed=1))
        self.now = Moment(0.0, 1e9)
        self.number = 0

    def worker(self, most: int = 100) -> Worker:
        self.number += 1
        worker = self.book.hello(Hello(self.number, 0, 1, 1))
        self.book.ask(worker, most, self.now)
        return worker

    def submit(self, name: str = "t", keys: Keys = NO_KEYS, **options: Any) -> Entry:
        submission = Submission(new_id(), name, b"", Options(**options), keys=keys)
        found = self.book.agenda.submit(submission, self.now)
        assert found is not None
        return found

    def wait(self, seconds: float) -> None:
        self.now = Moment(self.now.mono + seconds, self.now.wall + seconds)
        self.book.agenda.tick(self.now)

    def assign(self) -> list[tuple[int, list[Entry]]]:
        """Who got what."""
        found = self.book.assign(self.now)
        return [(handout.worker.number, [lease.entry for lease in handout.leases]) for handout in found]

    def end(self, worker: Worker, seconds: float = 0.0, *, ask: bool = True) -> None:
        """A worker ends all that it holds, and asks for more."""
        for lease in list(worker.leases):
            self.book.complete(worker, Report(lease.number, Outcome.SUCCEEDED, seconds=seconds), self.now)
        if ask:
            self.book.ask(worker, 100, self.now)


def learnt(world: World, name: str, seconds: float) -> None:
    """The book has seen how long tasks of this name take."""
    worker = world.worker()
    world.submit(name)
    world.assign()
    world.end(worker, seconds, ask=False)


def test_what_is_not_known_to_be_short_is_handed_out_alone() -> None:
    world = World()
    learnt(world, "long", 1.0)
    for _ in range(4):
        world.submit("long")
        world.submit("unknown")
    workers = [world.worker() for _ in range(3)]
    assert [len(entries) for _, entries in world.assign()] == [1, 1, 1]
    assert all(len(worker.leases) == 1 for worker in workers)


def test_short_tasks_go_to_idle_workers_first_and_never_behind_a_long_one() -> None:
    world = World()
    learnt(world, "short", 1e-5)
    learnt(world, "long", 10.0)
    busy, idle = world.worker(), world.worker()
    world.submit("long")
    assert len(world.assign()) == 1
    assert len(busy.leases) + len(idle.leases) == 1
    free = idle if busy.leases else busy
    entries = [world.submit("short") for _ in range(10)]
    assert world.assign() == [(free.number, entries)], "all to the idle one, as one batch, and none behind the long one"


@given(st.lists(st.sampled_from(("short", "long", "unknown")), min_size=1, max_size=30), st.integers(1, 5))
def test_while_a_worker_is_idle_nobody_waits_and_no_batch_holds_a_long_task(kinds: list[str], count: int) -> None:
    world = World()
    learnt(world, "short", 1e-5)
    learnt(world, "long", 1.0)
    for name in kinds:
        world.submit(name)
    workers = [world.worker() for _ in range(count)]
    world.assign()
    for worker in workers:
        held = [lease.entry.kind.name for lease in worker.leases]
        assert len(held) <= 1 or set(held) == {"short"}
    if any(worker.wants for worker in workers):
        assert len(world.book.agenda.waiting.ready) == 0
        assert all(len(worker.leases) <= 1 for worker in workers), "shared out before anybody gets a second"


def test_one_slow_run_of_a_short_task_ends_its_batches_at_once() -> None:
    world = World()
    learnt(world, "t", 1e-5)
    learnt(world, "t", 0.5)
    for _ in range(10):
        world.submit("t")
    world.worker()
    assert [len(entries) for _, entries in world.assign()] == [1]


def test_a_priority_is_changed_at_a_gate_too() -> None:
    world = World()
    keys = Keys(limit=ONE)
    worker = world.worker(1)
    world.submit(keys=keys)
    world.assign()
    one, two = world.submit(keys=keys), world.submit(keys=keys)
    other = world.worker(1)
    assert world.assign() == [], "the limit"
    assert world.book.agenda.prioritise(two.id, 5)
    world.end(worker, ask=False)
    assert world.assign() == [(other.number, [two])]
    assert not world.book.agenda.prioritise(two.id, 1), "it runs"
    assert one.state is State.QUEUED


def test_a_task_expires_wherever_it_waits() -> None:
    world = World()
    keys = Keys(limit=ONE, rate=Rate("r", 1, 100.0))
    world.submit(keys=keys)
    world.worker(1)
    world.assign()
    world.worker(1)
    waiting = []
    for extra in (keys, Keys(limit=TWO, rate=keys.rate), NO_KEYS):
        options = Options(queue="paused" if extra is NO_KEYS else "default")
        submission = Submission(new_id(), "t", b"", options, expires=5.0, keys=extra)
        found = world.book.agenda.submit(submission, world.now)
        assert found is not None
        waiting.append(found)
    world.book.agenda.pause("paused", paused=True)
    assert world.assign() == []
    assert len(world.book.agenda.waiting.gates) == 2
    assert world.book.agenda.next_due(world.now) == pytest.approx(5.0)
    world.wait(5.0)
    assert [each.state for each in waiting] == [State.EXPIRED] * 3
    assert len(world.book.agenda.waiting.gates) == len(world.book.agenda.waiting.ready) == 0
