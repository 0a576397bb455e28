"""Schedules through the whole system: each slot once, whatever is killed or restarted around it."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from supervisor import (
    MissCause,
    QueueUnavailableError,
    ScheduleError,
    State,
    TaskConfig,
    TaskQueue,
    UnknownScheduleError,
    task,
)
from supervisor.client import calls
from supervisor.client.manager import QueueProxy
from supervisor.core.plan import Plan
from supervisor.core.slots import Timing
from supervisor.directory import Directory
from supervisor.errors import PayloadRefusedError, ScheduleDeclaredError, UnknownHandlerError
from supervisor.ids import new_id
from supervisor.records import ScheduleRecord
from supervisor.system import proc
from supervisor.wire.call_kind import AS_JSON, BY_REFERENCE, header
from supervisor.wire.messages import Submission
from tests.conftest import MakeTree
from tests.support import handlers
from tests.support.command import Terminal, told
from tests.support.shared import running
from tests.support.ticks import Tick, slots, tick, ticks
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0
TASKS = ["tests.support.tasks", "tests.support.ticks", "tests.support.handlers"]
BEGIN = """
from datetime import UTC, datetime
from supervisor import TaskConfig, schedule, task
from tests.support.ticks import tick
path = {path!r}
"""
Declare = Callable[..., RunningTree]
Restart = Callable[[RunningTree], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where ticks are noted."""
    return tmp_path / "ticks"


@pytest.fixture
def declare(make_tree: MakeTree, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Makes a tree whose code has these lines too, in which ``path`` is that of the ticks."""

    def make(lines: str, **options: Any) -> RunningTree:
        text = BEGIN.format(path=str(path)) + lines
        (tmp_path / "timetable.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
        return make_tree(**{"tasks": ["timetable", *TASKS], "cpus": "off", "grace": "100ms", **options})

    return make


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    """A tree for those who kill no more than a worker."""
    with running(tmp_path_factory.mktemp("shop"), tasks=TASKS, workers=4) as tree:
        yield tree


def row(queue: TaskQueue, name: str) -> ScheduleRecord | None:
    """The schedule of this name."""
    return {each.name: each for each in queue.schedules()}.get(name)


def known(queue: TaskQueue, name: str) -> ScheduleRecord:
    found = row(queue, name)
    assert found is not None
    return found


def over(queue: TaskQueue, name: str) -> bool:
    """Whether it will not fire any more. One that was added is gone then."""
    found = row(queue, name)
    return found is None or (found.next_at is None and not found.paused)


def wait_until(moment: float) -> None:
    until(lambda: time.time() >= moment, f"{moment}", WAIT, 0.0005)


def idle(queue: TaskQueue) -> bool:
    return not queue.stats().unfinished


# -- restarts ----------------------------------------------------------------------------------------------------


def kill_part(tree: RunningTree, role: str) -> None:
    """SIGKILL one process, and wait for another."""
    old = tree.pid_of(role)
    os.kill(old, signal.SIGKILL)
    until(lambda: tree.pid_of(role) not in (0, old), f"another {role}", WAIT)


def kill_broker(tree: RunningTree) -> None:
    kill_part(tree, "broker")


def kill_master(tree: RunningTree) -> None:
    kill_part(tree, "master")


def kill_all(tree: RunningTree) -> None:
    """SIGKILL every process, as a loss of power would."""
    assert tree.process is not None
    roots = [tree.process.pid, tree.pid_of("master")]  # asking for it notes every process, too
    for pid in [each for root in roots for each in (root, *proc.descendants(root))]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    tree.process.wait(10.0)
    until(lambda: not tree.left_over(), "the end of every process", WAIT)


def kill_and_start(tree: RunningTree) -> None:
    kill_all(tree)
    tree.start()


def stop_and_start(tree: RunningTree) -> None:
    tree.stop()
    tree.start()


KILLS = pytest.mark.parametrize(
    "restart",
    [kill_broker, kill_master, kill_and_start, stop_and_start],
    ids=["broker-killed", "master-killed", "all-killed", "stopped"],
)
RESTARTS = pytest.mark.parametrize("restart", [kill_broker, stop_and_start], ids=["broker-killed", "stopped"])


# -- firing ------------------------------------------------------------------------------------------------------


def test_what_the_code_declares_fires(declare: Declare, path: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    tree = declare(f"""
@schedule(cron="* * * * * *", zone="Asia/Kathmandu", args=[path + "-cron"], config=TaskConfig(priority=3))
@task
def by_the_second(path):
    return tick(path)

schedule.add(tick, [path], every="250ms", name="quick")
schedule.add(tick, [path + "-long", {str(gate)!r}], every="1h", start=0, name="long")
""")
    queue = tree.queue
    long = until(lambda: ticks(Path(f"{path}-long")), "the long one", WAIT)[0]
    assert queue.state(long.id) is State.RUNNING, "it is seen running, as any task"
    assert [run.name for run in queue.active() if run.id == long.id] == ["tick"]
    until(lambda: len(ticks(path)) >= 3 and len(ticks(Path(f"{path}-cron"))) >= 2, "firings", WAIT)
    gate.touch()
    record = queue.wait(long.id, WAIT)
    assert (record.name, record.result, record.attempt) == ("tick", "seen", 1)
    assert all((after - before) % 250 == 0 for before, after in pairwise(slots(path)))
    assert all(slot % 1000 == 0 for slot in slots(Path(f"{path}-cron")))
    by_cron = queue.wait(ticks(Path(f"{path}-cron"))[0].id, WAIT)
    assert (by_cron.name, by_cron.priority, by_cron.result) == ("timetable.by_the_second", 3, "ticked")
    assert known(queue, "long").last_task == long.id


@KILLS
def test_each_slot_is_run_once_whatever_is_killed_around_it(declare: Declare, path: Path, restart: Restart) -> None:
    """``misfire="all"``, so that none may be missing either."""
    tree = declare('schedule.add(tick, [path], every="300ms", start=0, misfire="all", name="t")')
    queue = tree.queue
    for early in (0.0, 0.002) if restart is kill_broker else (0.002,):
        due = known(queue, "t").next_at
        assert due is not None
        wait_until(due - early)
        restart(tree)
        before = len(slots(path))
        until(lambda: len(slots(path)) > before, "it to go on", WAIT)  # noqa: B023  called now
    queue.pause_schedule("t")
    until(lambda: idle(queue), "what it has submitted", WAIT)
    found, last = slots(path), known(queue, "t")
    assert last.start is not None
    assert found == [round(last.start * 1000) + 300 * number for number in range(len(found))]
    assert last.last_at == found[-1] / 1000
    assert last.last_task is not None
    assert queue.state(last.last_task) is State.SUCCEEDED
    if restart is kill_broker:
        assert sorted(each.slot for each in ticks(path)) == found, "each of them ran once"


def test_what_is_missed_while_nobody_is_there_is_treated_as_misfire_says(make_tree: MakeTree, path: Path) -> None:
    tree = make_tree(tasks=TASKS, cpus="off")
    queue = tree.queue
    begin = round(time.time(), 3) + 2.0
    rules: dict[str, dict[str, Any]] = {
        "once": {},
        "once-late": {"misfire": "once", "grace": "100ms"},
        "skip": {"misfire": "skip", "grace": "100ms"},
        "skip-in-grace": {"misfire": "skip"},
        "all": {"misfire": "all"},
        "all-late": {"misfire": "all", "grace": "100ms"},
        "all-in-order": {"misfire": "all", "overlap": "queue"},
    }
    for name, options in rules.items():
        queue.add_schedule(
            tick,
            [f"{path}-{name}"],
            name=name,
            every="200ms",
            start=datetime.fromtimestamp(begin, UTC),
            stop="1s",
            **options,
        )
    kill_all(tree)
    assert time.time() < begin, "this machine is too busy for this test"
    wait_until(begin + 1.2)
    tree.start()
    until(lambda: not queue.schedules() and idle(queue), "all of them to be dealt with", WAIT)
    times = [round(begin * 1000) + 200 * number for number in range(6)]
    found = {name: slots(Path(f"{path}-{name}")) for name in rules}
    assert found == {
        "once": times[-1:],
        "once-late": [],
        "skip": [],
        "skip-in-grace": times[-1:],
        "all": times,
        "all-late": [],
        "all-in-order": times,
    }
    assert [each.slot for each in ticks(Path(f"{path}-all-in-order"))] == times, "the oldest first"


def test_slots_that_nobody_was_there_for_are_told_after_restarts(declare: Declare, path: Path) -> None:
    tree = declare('schedule.add(tick, [path], every="200ms", start=0, name="quick")')
    queue = tree.queue
    until(lambda: ticks(path), "a firing", WAIT)
    kill_all(tree)
    wait_until(time.time() + 1.5)
    tree.start()
    until(lambda: known(queue, "quick").missed, "the count", WAIT)
    counted = known(queue, "quick")
    assert counted.missed >= 5
    assert (counted.missed_at_least, counted.last_missed_cause) == (False, MissCause.AWAY)
    queue.pause_schedule("quick")
    until(lambda: idle(queue), "what it has submitted", WAIT)
    stop_and_start(tree)
    last = known(queue, "quick")
    assert last.start is not None
    assert last.last_at is not None
    assert last.last_missed_at is not None
    passed = range(round(last.start * 1000), round(last.last_at * 1000) + 1, 200)
    assert set(slots(path)) <= set(passed)
    assert len(slots(path)) + last.missed == len(passed), "each of them was run or is counted"
    assert round(last.last_missed_at * 1000) == max(set(passed) - set(slots(path)))
    (row,) = told(tree, "schedules", "list")
    assert (row["missed"], row["missed_at_least"], row["last_missed_cause"]) == (last.missed, False, "away")
    assert row["last_missed_at"] == last.last_missed_at
    with Terminal("schedules", "list", "--dir", tree.dir, cwd=tree.folder) as terminal:
        ran = terminal.finish()
    head, line = ran.out.splitlines()
    place = head.index("missed")
    assert line[place : place + 6].strip() == str(last.missed)
    assert max(map(len, ran.out.splitlines())) <= 80, ran.out


def test_start_and_stop_bound_the_firings_also_across_a_restart(declare: Declare, path: Path) -> None:
    """``misfire="all"`` since a machine that is busy may hold a slot up past the next."""
    tree = declare("""
every = {"every": 0.2, "misfire": "all"}
schedule.add(tick, [path + "-10"], stop=2, name="from the first interval on", **every)
schedule.add(tick, [path + "-11"], start=0, stop="2s", name="at once too", **every)
schedule.add(tick, [path + "-6"], start="500ms", stop=1, name="later", **every)
schedule.add(tick, [path + "-past"], stop=datetime(2025, 1, 1), name="past", **every)
schedule.add(tick, [path + "-future"], start=datetime(2999, 1, 1), name="future", **every)
""")
    queue = tree.queue
    bounded = [each.name for each in queue.schedules() if each.name not in ("past", "future")]
    until(lambda: all(over(queue, name) for name in bounded) and idle(queue), "the end of each", WAIT, 0.02)
    kill_broker(tree)
    assert all(over(queue, name) for name in bounded), "it does not begin anew"
    for name, count, first in (("at once too", 11, 0.0), ("from the first interval on", 10, 0.2), ("later", 6, 0.0)):
        found = slots(Path(f"{path}-{count}"))
        assert len(found) == count
        assert {after - before for before, after in pairwise(found)} == {200}
        bound = known(queue, name)
        assert bound.stop is not None
        assert found[-1] == round(bound.stop * 1000)
        assert bound.start is None or found[0] == round((bound.start + first) * 1000)
    assert over(queue, "past")
    assert known(queue, "future").next_at == datetime(2999, 1, 1, tzinfo=UTC).timestamp()
    assert not slots(Path(f"{path}-past")) + slots(Path(f"{path}-future"))


# -- overlap -----------------------------------------------------------------------------------------------------


def add_waiting(shop: RunningTree, path: Path, gate: Path, **options: Any) -> None:
    """A schedule whose tasks last until the gate is there."""
    shop.queue.add_schedule(tick, [str(path), str(gate)], name="overlapping", every=0.2, misfire="once", **options)


def test_with_allow_a_slot_is_run_beside_the_one_before(shop: RunningTree, path: Path, tmp_path: Path) -> None:
    add_waiting(shop, path, tmp_path / "gate", stop=30)
    until(lambda: len({each.pid for each in ticks(path)}) == 3, "three at a time", WAIT)
    shop.queue.remove_schedule("overlapping")
    (tmp_path / "gate").touch()
    until(lambda: idle(shop.queue), "their end", WAIT)


def test_with_skip_slots_go_by_while_a_task_has_not_ended(shop: RunningTree, path: Path, tmp_path: Path) -> None:
    queue, gate = shop.queue, tmp_path / "gate"
    add_waiting(shop, path, gate, stop=1, overlap="skip")
    until(lambda: over(queue, "overlapping"), "five slots to go by", WAIT, 0.02)
    assert sum(queue.stats().unfinished.values()) == 1
    gate.touch()
    until(lambda: idle(queue), "its end", WAIT)
    assert len(ticks(path)) == 1


def test_with_queue_slots_are_run_one_after_the_other(shop: RunningTree, path: Path, tmp_path: Path) -> None:
    queue, gate = shop.queue, tmp_path / "gate"
    queue.add_schedule(tick, [str(path), str(gate)], name="o", every=0.2, stop=1, misfire="all", overlap="queue")
    until(lambda: over(queue, "o"), "the last slot", WAIT, 0.02)
    until(lambda: ticks(path), "the first", WAIT)
    assert queue.stats().unfinished == {"running": 1, "queued": 4}
    gate.touch()
    until(lambda: idle(queue), "their end", WAIT)
    records = [queue.wait(each.id, WAIT) for each in ticks(path)]
    assert [each.slot for each in ticks(path)] == slots(path)
    assert len(records) == 5
    for before, after in pairwise(records):
        assert (after.started_at or 0.0) >= (before.ended_at or 0.0) - 0.002


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_a_holder_that_is_killed_lets_the_next_one_run(
    shop: RunningTree, path: Path, tmp_path: Path, overlap: str
) -> None:
    queue, gate = shop.queue, tmp_path / "gate"
    add_waiting(shop, path, gate, stop=30, overlap=overlap, config=TaskConfig(crash_budget=1))
    for count in (1, 2):
        holder: Tick = until(lambda: ticks(path)[count - 1 :], "a run", WAIT)[0]  # noqa: B023  called now
        assert queue.state(holder.id) is State.RUNNING
        assert len(ticks(path)) == count
        os.kill(holder.pid, signal.SIGKILL)
    until(lambda: len(ticks(path)) == 3, "the third", WAIT)
    queue.remove_schedule("overlapping")
    gate.touch()
    until(lambda: idle(queue), "their end", WAIT)
    states = [queue.state(each.id) for each in ticks(path)[:3]]
    assert states == [State.LOST, State.LOST, State.SUCCEEDED]


def test_with_skip_a_new_broker_knows_of_the_holder(make_tree: MakeTree, path: Path, tmp_path: Path) -> None:
    tree, gate = make_tree(tasks=TASKS, cpus="off", grace="100ms"), tmp_path / "gate"
    tree.queue.add_schedule(tick, [str(path), str(gate)], name="o", every=0.2, overlap="skip")
    (first,) = until(lambda: ticks(path), "a run", WAIT)
    kill_broker(tree)
    seen = time.time()
    until(lambda: (known(tree.queue, "o").next_at or 0.0) > seen + 0.4, "two slots more", WAIT, 0.02)
    assert {each.id for each in ticks(path)} == {first.id}
    gate.touch()
    until(lambda: len({each.id for each in ticks(path)}) > 1, "the next", WAIT)
    tree.queue.remove_schedule("o")


# -- by hand -----------------------------------------------------------------------------------------------------


def test_schedules_are_listed_with_all_that_is_known_of_them(declare: Declare, path: Path) -> None:
    tree = declare("""
schedule.add(tick, [path], cron="30 6 * * MON", zone="Europe/Berlin", name="weekly", misfire="skip", overlap="queue")
schedule.add(tick, [path], every="1h", start=datetime(2999, 1, 1), stop="10h", grace="5m", name="hourly")
""")
    queue = tree.queue
    queue.add_schedule(tick, [str(path)], every="1d", name="daily")
    daily, hourly, weekly = queue.schedules()
    assert (daily.name, daily.declared, daily.every, daily.task, daily.start) == ("daily", False, 86400.0, "tick", None)
    assert daily.next_at == pytest.approx(time.time() + 86400, abs=WAIT)
    new_year = datetime(2999, 1, 1, tzinfo=UTC).timestamp()
    assert (hourly.name, hourly.declared, hourly.start, hourly.stop) == ("hourly", True, new_year, new_year + 36_000)
    assert (hourly.misfire, hourly.grace, hourly.overlap, hourly.paused) == ("once", 300.0, "allow", False)
    assert (weekly.cron, weekly.zone, weekly.every, weekly.stop) == ("30 6 * * MON", "Europe/Berlin", None, None)
    assert (weekly.misfire, weekly.grace, weekly.overlap) == ("skip", 60.0, "queue")
    assert weekly.next_at is not None
    assert datetime.fromtimestamp(weekly.next_at, UTC).strftime("%a %M") == "Mon 30"
    assert (weekly.last_at, weekly.last_task) == (None, None)
    assert (weekly.missed, weekly.missed_at_least, weekly.last_missed_at) == (0, False, None)
    assert weekly.last_missed_cause is None


@RESTARTS
def test_a_paused_schedule_stays_so_and_what_goes_by_is_not_made_up_for(
    declare: Declare, path: Path, restart: Restart
) -> None:
    tree = declare('schedule.add(tick, [path], every=0.2, misfire="all", name="quick")')
    queue = tree.queue
    until(lambda: ticks(path), "a firing", WAIT)
    queue.pause_schedule("quick")
    until(lambda: idle(queue), "what it has submitted", WAIT)
    before = slots(path)
    restart(tree)
    paused = known(queue, "quick")
    assert (paused.paused, paused.next_at) == (True, None)
    by_hand = queue.run_schedule("quick")
    assert queue.wait(by_hand, WAIT).result == "ticked"
    assert known(queue, "quick").last_task == by_hand
    wait_until(time.time() + 0.5)  # some slots go by
    assert {each.id for each in ticks(path)} - {by_hand} == {each.id for each in ticks(path)[: len(before)]}
    resumed = time.time()
    queue.resume_schedule("quick")
    until(lambda: len(slots(path)) >= len(before) + 3, "it to fire again", WAIT)
    new = [each for each in {each.id for each in ticks(path)[len(before) :]} if each != by_hand]
    assert min(Tick(each, 1, 0).slot for each in new) > resumed * 1000 - 1
    assert (Tick(new[0], 1, 0).slot - before[0]) % 200 == 0, "it keeps its slots"


def test_a_name_that_no_schedule_has_is_refused_and_the_nearest_is_named(shop: RunningTree, path: Path) -> None:
    async def main() -> None:
        queue = TaskQueue(shop.dir)
        await queue.aadd_schedule(tick, [str(path)], every="1h", name="hourly")
        for call in (queue.apause_schedule, queue.aresume_schedule, queue.arun_schedule, queue.aremove_schedule):
            with pytest.raises(UnknownScheduleError, match=r"no schedule 'hurly': did you mean 'hourly'\?"):
                await call("hurly")
        await queue.apause_schedule("hourly")
        assert [each.paused for each in await queue.aschedules() if each.name == "hourly"] == [True]
        await queue.aresume_schedule("hourly")
        assert (await queue.await_(await queue.arun_schedule("hourly"), WAIT)).result == "ticked"
        await queue.aremove_schedule("hourly")

    asyncio.run(main())
    with pytest.raises(UnknownScheduleError, match="schedules list"):
        shop.queue.run_schedule("hourly")


SLOW = """
import os, time
while not os.path.exists({flag!r}):
    time.sleep(0.01)
schedule.add(tick, [path], every="1h", name="hourly")
"""


def test_the_list_waits_for_the_code(declare: Declare, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    tree = declare(SLOW.format(flag=str(flag)), start=False).start(wait=False)
    until((tree.dir / "queue.sock").exists, "a socket", WAIT)
    tree.queue.stats()
    with pytest.raises(QueueUnavailableError, match="its tasks are not imported yet"):
        TaskQueue(tree.dir, timeout=0.3).schedules()
    flag.touch()
    assert [each.name for each in tree.queue.schedules()] == ["hourly"]


# -- added ones --------------------------------------------------------------------------------------------------


def test_what_was_added_and_removed_outlives_restarts(declare: Declare, path: Path) -> None:
    tree = declare('schedule.add(tick, [path], every="1d", name="declared")')
    queue = tree.queue
    queue.add_schedule(tick, [str(path)], every=0.25, misfire="all", name="quick")
    queue.add_schedule(tick, [str(path)], every="1h", name="hourly")
    queue.add_schedule(tick, [str(path)], every="1h", name="gone")
    hourly = known(queue, "hourly")
    queue.add_schedule(tick, [str(path)], every="1h", name="hourly")
    assert known(queue, "hourly") == hourly, "again as it is: nothing has changed"
    with pytest.raises(ScheduleDeclaredError, match="'declared' is declared in the code"):
        queue.add_schedule(tick, every=1, name="declared")
    with pytest.raises(ScheduleDeclaredError, match="'declared' is declared in the code"):
        queue.remove_schedule("declared")
    queue.remove_schedule("gone")
    until(lambda: ticks(path), "a firing", WAIT)
    kill_and_start(tree)
    assert [each.name for each in queue.schedules()] == ["declared", "hourly", "quick"]
    assert known(queue, "hourly") == hourly
    count = len(slots(path))
    until(lambda: len(slots(path)) > count, "it to go on", WAIT)
    queue.remove_schedule("quick")
    until(lambda: idle(queue), "what it had submitted", WAIT)
    found = slots(path)
    assert {after - before for before, after in pairwise(found)} == {250}
    stop_and_start(tree)
    assert [each.name for each in queue.schedules()] == ["declared", "hourly"]
    queue.add_schedule(tick, [str(path)], every="2h", name="hourly")
    assert known(queue, "hourly").every == 7200.0
    assert slots(path) == found


def test_what_could_bring_the_broker_down_is_refused(shop: RunningTree) -> None:
    """A plan that passes by the checks of a client."""
    broker = shop.pid_of("broker")
    for timing, fault in (
        (Timing(cron="0 3 * * *", start=253_402_300_740_000), "after the year 9000"),
        (Timing(every=1000, start_in=2**62), "after the year 9000"),
        (Timing(cron="0 3 * * *", zone="Mars/Base"), "no time zone 'Mars/Base'"),
        (Timing(), "neither cron nor every"),
    ):
        with pytest.raises(ScheduleError, match=f"schedule sent: .*{fault}"):
            send(shop, Plan("sent", timing, Submission(new_id(), "tick", b"?")))
    assert shop.pid_of("broker") == broker


def test_one_that_cannot_be_followed_any_more_rests_and_the_others_go_on(
    make_tree: MakeTree, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tree = make_tree(tasks=TASKS, cpus="off", grace="100ms")
    tree.queue.add_schedule(tick, [str(path)], cron="* * * * * *", zone="Europe/Berlin", name="in Berlin")
    tree.queue.add_schedule(tick, [str(path)], cron="* * * * * *", name="in UTC")
    tree.stop()
    monkeypatch.setenv("PYTHONTZPATH", "/nonexistent")
    (tmp_path / "tzdata").mkdir()
    (tmp_path / "tzdata" / "__init__.py").touch()  # in the place of the package of that name, where there is one
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tree.start()
    assert [each.name for each in tree.queue.schedules()] == ["in UTC"], "which needs no database"
    assert "schedule in Berlin does not fire: there is no time zone 'Europe/Berlin'" in tree.log.read_text()
    count = len(slots(path))
    until(lambda: len(slots(path)) > count, "the other one to go on", WAIT)


# -- later, once -------------------------------------------------------------------------------------------------


def test_a_delay_and_an_eta_are_kept_when_everything_is_killed(make_tree: MakeTree, path: Path) -> None:
    tree = make_tree(tasks=TASKS, cpus="off", grace="100ms")
    queue = tree.queue
    submitted = time.time()
    at = submitted + 2.5
    ids = [
        queue.submit(tick, str(path), config=TaskConfig(eta=datetime.fromtimestamp(at, UTC))),
        queue.submit(tick, str(path), config=TaskConfig(delay=2.0)),
        queue.submit(tick, str(path), config=TaskConfig(eta=datetime(2025, 1, 1, tzinfo=UTC))),
    ]
    past = queue.wait(ids[2], WAIT)
    kill_and_start(tree)
    records = [queue.wait(task_id, WAIT) for task_id in ids]
    starts = [each.started_at or 0.0 for each in records]
    assert starts[0] >= at - 0.005
    assert starts[1] >= submitted + 1.995
    assert past.started_at == starts[2], "at once, and it is over"
    assert max(starts) < submitted + 25
    assert sorted(each.id for each in ticks(path)) == sorted(ids)


# -- JSON only ---------------------------------------------------------------------------------------------------


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], object], tuple[Path]]:
        return Path.touch, (self.path,)


def send(tree: RunningTree, plan: Plan) -> None:
    """Add a plan past every check of a client."""
    proxy = QueueProxy(Directory(tree.dir))
    try:
        proxy.perform(calls.add_schedule(plan, WAIT))
    finally:
        proxy.close()


def unregistered(path: str) -> None: ...


@task
def own(path: str) -> None:
    """Registered here, and with no worker."""


def test_schedules_travel_and_are_kept_as_json(declare: Declare, path: Path) -> None:
    tree = declare('schedule.add(tick, [path + "-declared"], every=0.2, name="declared")', payloads="json")
    queue = tree.queue
    queue.add_schedule(tick, kwargs={"path": str(path)}, every=0.2, name="added")
    queue.add_schedule(handlers.send_email, [{"to": "ann"}], every="1h", start=0, name="mail")
    until(lambda: ticks(path) and ticks(Path(f"{path}-declared")), "firings", WAIT)
    assert queue.wait(until(lambda: known(queue, "mail").last_task, "a mail", WAIT), WAIT).result["data"] == {
        "to": "ann"
    }
    with closing(sqlite3.connect(tree.dir / "journal.db")) as journal:
        rows = journal.execute("SELECT plan FROM schedules WHERE plan NOT NULL").fetchall()
    payloads = sorted(msgspec.msgpack.decode(plan, type=Plan).task.payload for (plan,) in rows)
    assert (
        payloads
        == [
            header(AS_JSON, "send_email") + b'[[{"to":"ann"}],{},false,null]',
            header(AS_JSON, "tick") + f'[[],{{"path":"{path}"}},false,null]'.encode(),
        ][::-1]
    )
    kill_broker(tree)
    count = len(slots(path))
    until(lambda: len(slots(path)) > count, "it to go on", WAIT)


def test_in_json_only_mode_what_no_worker_would_run_is_refused_at_once(declare: Declare, tmp_path: Path) -> None:
    tree, boom = declare("", payloads="json"), tmp_path / "boom"
    queue = tree.queue
    for function in (unregistered, lambda path: None):
        with pytest.raises(ScheduleError, match=r"schedule x: .* takes JSON only .*only functions that are registered"):
            queue.add_schedule(function, [""], every=1, name="x")
    with pytest.raises(ScheduleError, match=r"schedule x: argument '0' of task tick \(a object\) .*no JSON form"):
        queue.add_schedule(tick, [object()], every=1, name="x")
    with pytest.raises(UnknownHandlerError, match=r"registered as '.*own'"):
        queue.add_schedule(own, [""], every=1, name="x")
    payload = BY_REFERENCE + pickle.dumps(("tests.support.ticks:tick", (Bomb(boom),), {}))
    with pytest.raises(PayloadRefusedError, match="its arguments are a pickle"):
        send(tree, Plan("x", Timing(every=100), Submission(new_id(), "tick", payload)))
    assert queue.schedules() == []
    assert not boom.exists()


def test_a_pickle_from_before_the_change_to_json_is_unpickled_by_nobody(declare: Declare, tmp_path: Path) -> None:
    tree, boom, path = declare(""), tmp_path / "boom", tmp_path / "ticks"
    queue = tree.queue
    queue.add_schedule(tick, [Bomb(boom)], every="1h", name="bomb")
    tree.stop()
    tree.settings["payloads"] = "json"
    tree.start()
    with pytest.raises(PayloadRefusedError):
        queue.run_schedule("bomb")
    queue.remove_schedule("bomb")
    queue.add_schedule(tick, [str(path)], every=0.1, name="json")
    until(lambda: ticks(path), "a firing", WAIT)
    assert not boom.exists()


def test_code_that_schedules_an_unregistered_function_in_json_only_mode_cannot_be_imported(
    declare: Declare,
) -> None:
    lines = 'def plain(): ...\nschedule.add(plain, every=1, name="x")\n'
    tree = declare(lines, payloads="json", start=False).start(wait=False)
    until(lambda: "only functions that are registered run" in tree.tail(), "a sentence in the log", WAIT)
    assert "ScheduleError: schedule x: " in tree.tail()
