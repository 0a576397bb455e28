"""After a task has ended: its result, its record, the dead letters, and taking it up again."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from supervisor import (
    Cause,
    KeyHeldError,
    QueueFullError,
    ResultExpiredError,
    State,
    TaskFailedError,
    TaskOptionError,
    TaskQueue,
    UnknownTaskError,
)
from tests.conftest import MakeTree
from tests.support import failing_tasks as tasks
from tests.support import tasks as plain
from tests.support.failing_tasks import told
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

MODULES = ["tests.support.tasks", "tests.support.failing_tasks"]
SHORT = {"result_ttl": "1s", "record_ttl": "1s", "dead_ttl": "4s"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    """A tree for those who kill no more than a worker."""
    with running(tmp_path_factory.mktemp("shop"), tasks=MODULES, retry_jitter=0, retry_delay=0) as tree:
        yield tree


def row_of(tree: RunningTree, task_id: str) -> tuple[Any, ...] | None:
    """(state, bytes of result, files) of a task, as the journal has it on the disk."""
    with sqlite3.connect(f"file:{tree.dir / 'journal.db'}?mode=ro", uri=True) as connection:
        found = connection.execute(
            "SELECT state, length(result), files FROM tasks WHERE hex(id) = ?", (task_id.replace("-", "").upper(),)
        ).fetchone()
    connection.close()
    return tuple(found) if found else None


def die(
    queue: TaskQueue, tree: RunningTree, name: str, count: int = 1, deeds: tuple[str, ...] = ("value:x",)
) -> list[str]:
    """Dead letters of this name, one after the other."""
    letters: list[str] = []
    for number in range(count):
        path = str(tree.folder / f"dead-{name}-{number}")
        task = tasks.act.on(queue).options(name=name, max_retries=0, crash_budget=1, timeout=0.5)
        letters.append(task.delay(path, list(deeds)).id)
        ended(queue, letters[-1], 60.0)
    return letters


# -- results and records ---------------------------------------------------------------------------------------------


def test_a_result_that_is_not_stored(shop: RunningTree) -> None:
    handle = tasks.forget.on(shop.queue).delay("x" * 200_000)
    assert handle.result(30) is None
    record = handle.record()
    assert (record.state, record.result, record.result_expired) == (State.SUCCEEDED, None, False)
    assert row_of(shop, handle.id) == ("succeeded", 0, 1)
    assert tasks.forget_what_cannot_be_kept.on(shop.queue).delay().result(30) is None


def test_a_result_expires_and_its_record_does_not(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, record_ttl="10s")
    small = plain.add.on(tree.queue).options(result_ttl="2s").delay(2, 3)
    large = plain.big.on(tree.queue).options(result_ttl="2s").delay(300_000)
    kept = plain.add.on(tree.queue).delay(3, 4)
    assert (small.result(30), len(large.result(30)), kept.result(30)) == (5, 300_000, 7)
    file = tree.dir / "payloads" / f"{large.id}.result"
    for handle in (small, large):
        until(lambda handle=handle: handle.record().result_expired, "the end of a result")  # type: ignore[misc]
        assert handle.record().result is None
        assert handle.state() is State.SUCCEEDED
        with pytest.raises(ResultExpiredError, match=r"has expired; raise result_ttl"):
            handle.result(5)
    until(lambda: row_of(tree, small.id) == ("succeeded", None, 0), "its bytes gone")
    until(lambda: not file.exists(), "its file gone")
    assert kept.result(5) == 7


def test_records_go_and_dead_letters_stay_longer(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, **SHORT)
    queue = tree.queue
    done = plain.told.on(queue).delay()
    assert done.result(30) == done.id
    (dead,) = die(queue, tree, "dead")
    until(lambda: queue.get_task(done.id) is None, "the end of its record", 20.0)
    with pytest.raises(UnknownTaskError):
        done.state()
    letter = queue.get_task(dead)
    assert letter is not None
    assert letter.ended_at is not None
    assert [record.id for record in queue.dead_letters()] == [dead]
    until(lambda: queue.get_task(dead) is None, "the end of the letter", 30.0)
    assert time.time() >= letter.ended_at + 4
    assert queue.dead_letters() == []
    with sqlite3.connect(f"file:{tree.dir / 'journal.db'}?mode=ro", uri=True) as connection:
        for table in ("tasks", "attempts", "output", "progress"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    connection.close()


def test_what_has_not_ended_is_never_cleared_away(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, **SHORT)
    gate = tree.folder / "gate"
    runs = plain.wait_for_file.on(tree.queue).delay(str(gate))
    waits = plain.length.on(tree.queue).options(delay=6).delay(b"x" * 200_000)
    again = tasks.act.on(tree.queue).options(retry_delay=6, retry_jitter=0).delay(
        str(tree.folder / "again"), ["value:x", "return:done"]
    )  # fmt: skip
    other = plain.noop.on(tree.queue).delay()
    other.result(30)
    until(lambda: tree.queue.get_task(other.id) is None, "a walk of the sweep", 20.0)
    gate.touch()
    assert runs.result(30) == "seen"
    assert waits.result(60) == 200_000
    assert again.result(60) == "done"


def test_large_results_are_on_the_disk_and_in_nobodys_memory(shop: RunningTree) -> None:
    size, pid = 64 << 20, shop.pid_of("broker")
    plain.big.on(shop.queue).delay(1000).result(30)
    before = psutil.Process(pid).memory_info().rss
    handles = [plain.big.on(shop.queue).delay(size) for _ in range(3)]
    for handle in handles:
        assert len(handle.result(60)) == size
        assert (shop.dir / "payloads" / f"{handle.id}.result").stat().st_size > size
        assert row_of(shop, handle.id) == ("succeeded", 0, 2)
    assert psutil.Process(pid).memory_info().rss - before < 16 << 20


# -- dead letters ----------------------------------------------------------------------------------------------------


def test_the_dead_letters_are_listed_latest_first_and_page_by_page(shop: RunningTree) -> None:
    queue = shop.queue
    before = datetime.now(UTC)
    first = die(queue, shop, "list.a", 3)
    between = datetime.now(UTC)
    second = die(queue, shop, "list.b", 2) + die(queue, shop, "list.lost", 1, ("die",))
    all_ids = [*first, *second][::-1]
    assert [record.id for record in queue.dead_letters(name="list.*")] == all_ids
    assert [record.id for record in queue.dead_letters(name="list.a")] == first[::-1]
    assert [record.id for record in queue.dead_letters(name="list.[bc]")] == second[:2][::-1]
    assert [record.id for record in queue.dead_letters(name="list.*", after=between)] == second[::-1]
    assert [record.id for record in queue.dead_letters(name="list.*", before=between)] == first[::-1]
    assert queue.dead_letters(name="list.*", before=before) == []
    assert queue.dead_letters(name="list.*", after=time.time() + 60) == []
    page = queue.dead_letters(4, name="list.*")
    rest = queue.dead_letters(4, name="list.*", before=page[-1])
    assert [record.id for record in [*page, *rest]] == all_ids
    assert queue.dead_letters(4, name="list.*", before=rest[-1]) == []


def test_the_list_is_short_and_the_record_is_whole(shop: RunningTree) -> None:
    (dead,) = die(shop.queue, shop, "short")
    (listed,) = shop.queue.dead_letters(name="short")
    assert (listed.state, str(listed.error), listed.output) == (State.FAILED, "ValueError: x", "")
    assert listed.error is not None
    assert listed.error.traceback == ""
    shown = shop.queue.get_task(dead)
    assert shown is not None
    assert shown.error is not None
    assert "raise ValueError(text)" in shown.error.traceback


def test_a_time_without_a_zone_is_refused(shop: RunningTree) -> None:
    with pytest.raises(TaskOptionError, match="a datetime with a time zone"):
        shop.queue.dead_letters(after=datetime(2026, 1, 1))  # noqa: DTZ001
    assert shop.queue.dead_letters(after=datetime.now(UTC) + timedelta(days=1)) == []


ENDS = [
    (["value:x", "return:done"], State.FAILED, Cause.EXCEPTION),
    (["reject:x", "return:done"], State.FAILED, Cause.REJECTED),
    (["hang", "return:done"], State.TIMED_OUT, Cause.TIMEOUT),
    (["die", "return:done"], State.LOST, Cause.SIGNAL),
    (["return:first", "return:done"], State.SUCCEEDED, None),
]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"limit": "all"}, "limit='all' makes no sense: expected a whole number"),
        ({"limit": 1.5}, "limit=1.5 makes no sense"),
        ({"limit": -1}, "limit=-1 makes no sense"),
        ({"name": 5}, 'expected the name of a task, or a pattern such as "shop'),
        ({"after": "yesterday"}, "after='yesterday' makes no sense: expected a datetime with a time zone, or seconds"),
        ({"after": float("nan")}, "after=nan makes no sense"),
        ({"before": True}, "before=True makes no sense"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(shop: RunningTree, chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskOptionError, match=words):
        shop.queue.dead_letters(**chosen)
    assert shop.queue.dead_letters(0) == []


def test_the_next_page_begins_at_a_task_that_has_ended(shop: RunningTree) -> None:
    handle = plain.noop.on(shop.queue).options(delay=60).delay()
    with pytest.raises(TaskOptionError, match="the record of a task that has ended"):
        shop.queue.dead_letters(before=handle.record())
    handle.cancel()


@pytest.mark.parametrize(("deeds", "state", "cause"), ENDS)
def test_any_ended_task_can_be_retried(shop: RunningTree, deeds: list[str], state: State, cause: Cause | None) -> None:
    path = str(shop.folder / f"ends-{state}-{deeds[0]}")
    task = tasks.act.on(shop.queue).options(max_retries=0, crash_budget=1, timeout=0.5)
    handle = task.delay(path, deeds)
    assert ended(shop.queue, handle.id, 60.0).state is state
    assert handle.retry()
    record = ended(shop.queue, handle.id, 60.0)
    assert (record.state, record.result, record.retried, record.attempt) == (State.SUCCEEDED, "done", 1, 1)
    assert [run["attempt"] for run in told(path)] == [1, 1], "its retries begin anew"
    assert [(each.number, each.cause) for each in shop.queue.attempts(handle.id)] == [(1, cause), (1, None)]
    assert handle.id not in [letter.id for letter in shop.queue.dead_letters(1000)]


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_one_that_never_started_can_be_retried_too(shop: RunningTree, end: str) -> None:
    name = f"never-{end}"
    task = plain.note.on(shop.queue).options(delay=0.5, expires=0.1) if end == "expired" else plain.note.on(shop.queue)
    handle = (task if end == "expired" else task.options(delay=60)).delay(str(shop.folder / name))
    if end == "cancelled":
        handle.cancel()
    assert ended(shop.queue, handle.id).state == end
    assert handle.retry()
    assert ended(shop.queue, handle.id).state is State.SUCCEEDED
    assert [(each.number, each.cause) for each in shop.queue.attempts(handle.id)] == [(0, Cause(end)), (1, None)]
    assert handle.retry()
    until(lambda: len((shop.folder / name).read_text().split()) == 2, "the second run", 30.0)


def test_a_retried_task_has_all_its_retries_again(shop: RunningTree) -> None:
    path = str(shop.folder / "budgets")
    handle = tasks.act.on(shop.queue).options(max_retries=1).delay(path, ["value:x"])
    for round_ in range(3):
        with pytest.raises(TaskFailedError):
            handle.result(30)
        assert [run["attempt"] for run in told(path)] == [1, 2] * (round_ + 1)
        assert handle.record().retried == round_
        assert handle.retry()
    with pytest.raises(TaskFailedError):
        handle.result(30)
    assert [each.number for each in shop.queue.attempts(handle.id)] == [1, 2] * 4


def test_what_has_not_ended_or_is_unknown_is_not_retried(shop: RunningTree) -> None:
    handle = plain.noop.on(shop.queue).options(delay=60).delay()
    assert handle.retry() is False
    assert handle.cancel()
    unknown = handle.id[:-4] + "0000"
    for call in (shop.queue.retry, shop.queue.attempts, shop.queue.drop_dead_letter):
        with pytest.raises(UnknownTaskError):
            call(unknown)
    assert shop.queue.drop_dead_letter(handle.id) is False, "it is no dead letter"


def test_a_task_waits_for_its_unique_key(shop: RunningTree) -> None:
    (name, key) = ("keyed", "only-one")
    task = tasks.act.on(shop.queue).options(name=name, unique=key, max_retries=0)
    first = task.delay(str(shop.folder / "keyed"), ["value:x", "return:done"])
    assert ended(shop.queue, first.id).state is State.FAILED
    gate = shop.folder / "key-gate"
    second = plain.wait_for_file.on(shop.queue).options(unique=key).delay(str(gate))
    with pytest.raises(KeyHeldError, match=f"task {second.id} holds its unique key 'only-one'"):
        first.retry()
    assert shop.queue.retry_dead_letters(name=name) == 0, "it stays where it is"
    gate.touch()
    second.result(30)
    assert first.retry()
    third = task.delay(str(shop.folder / "keyed"), ["return:other"])
    assert third.id == first.id or first.state().ended, "it holds its key again"
    assert first.result(30) == "done"


def test_all_that_match_are_retried_or_dropped(shop: RunningTree) -> None:
    queue = shop.queue
    mine, others = die(queue, shop, "many.mine", 3, ("value:x", "return:")), die(queue, shop, "many.others", 2)
    assert queue.retry_dead_letters(name="many.mine") == 3
    assert [ended(queue, task_id).state for task_id in mine] == [State.SUCCEEDED] * 3
    assert [record.id for record in queue.dead_letters(name="many.*")] == others[::-1]
    assert queue.drop_dead_letter(others[0]) is True
    assert queue.get_task(others[0]) is None
    assert queue.drop_dead_letters(name="many.*") == 1
    assert queue.dead_letters(name="many.*") == []
    assert all(queue.get_task(task_id) is not None for task_id in mine), "no letters any more"


def test_letters_that_ran_very_often_are_dropped_whole(shop: RunningTree) -> None:
    """Piece by piece, of which nobody is to notice anything."""
    task = tasks.act.on(shop.queue).options(name="often", max_retries=260)
    paths = [str(shop.folder / f"often-{number}") for number in range(4)]
    first, *others = [task.delay(path, ["value:x"]).id for path in paths]
    for task_id in (first, *others):
        assert ended(shop.queue, task_id, 60.0).attempt == 261
    assert shop.queue.drop_dead_letter(first) is True
    assert shop.queue.drop_dead_letters(name="often") == 3
    assert shop.queue.dead_letters(name="often") == []
    assert [shop.queue.get_task(task_id) for task_id in (first, *others)] == [None] * 4


def test_a_full_queue_takes_some_and_says_so(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES, queue_limit=30)
    made = [plain.fail.on(tree.queue).options(max_retries=0).delay() for _ in range(25)]
    for handle in made:
        ended(tree.queue, handle.id)
    tree.queue.pause()
    made += plain.fail.on(tree.queue).options(max_retries=0).map([()] * 10)
    with pytest.raises(QueueFullError):
        tree.queue.retry_dead_letters()
    assert len(tree.queue.dead_letters()) == 5
    tree.queue.resume()
    for handle in made:
        ended(tree.queue, handle.id)


@pytest.mark.parametrize("victim", ["broker", "master"])
def test_a_kill_while_many_dead_letters_are_retried(make_tree: MakeTree, victim: str) -> None:
    tree = make_tree(tasks=MODULES, cpus="off")  # of ordinary niceness, so that a busy machine does not starve them
    log, gate, count = tree.folder / "log", tree.folder / "better", 1500
    task = tasks.better.on(tree.queue).options(max_retries=0)
    handles = task.map([(str(log), str(gate), number) for number in range(count)])
    until(lambda: tree.queue.stats().unfinished == {}, "the failure of all of them", 60.0)
    assert len(tree.queue.dead_letters(10_000)) == count
    gate.touch()
    pid = tree.pid_of(victim)

    def strike() -> None:
        until(lambda: log.exists() and log.stat().st_size, "the first of them to run again", 60.0)
        os.kill(pid, signal.SIGKILL)

    striker = threading.Thread(target=strike)
    striker.start()
    patient = TaskQueue(tree.dir, timeout=60.0)
    told_of = patient.retry_dead_letters()
    striker.join()
    assert told_of <= count
    until(lambda: not patient.stats().unfinished, "the end of all of them", 60.0)
    patient.close()
    assert tree.queue.dead_letters() == []
    records = [tree.queue.get_task(handle.id) for handle in handles]
    assert [record.state for record in records if record] == [State.SUCCEEDED] * count, "none is lost"
    assert {record.retried for record in records if record} == {1}, "none is taken up twice"
    runs = [int(line) for line in log.read_text().split()]
    assert set(runs) == set(range(count))
    assert len(runs) - count <= 64 * 2, "run twice at most what was under way at the kill"


def test_a_retry_is_on_the_disk_before_it_is_answered(make_tree: MakeTree) -> None:
    tree = make_tree(tasks=MODULES)
    gate = tree.folder / "better"
    handle = tasks.better.on(tree.queue).options(max_retries=0).delay(str(tree.folder / "log"), str(gate), 1)
    assert ended(tree.queue, handle.id).state is State.FAILED
    tree.queue.pause()
    gate.touch()
    assert handle.retry()
    os.kill(tree.pid_of("broker"), signal.SIGKILL)
    assert handle.state() is State.QUEUED
    tree.queue.resume()
    assert handle.result(30) == 1
    assert Path(tree.folder / "log").read_text() == "1\n"
