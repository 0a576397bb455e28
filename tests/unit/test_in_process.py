"""The in-process mode: what runs when, on whose clock, and what it cannot do."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import supervisor
from supervisor import (
    Cause,
    PayloadRefusedError,
    Priority,
    QueueFullError,
    QueueUnavailableError,
    ResultExpiredError,
    SerializationError,
    SettingsError,
    StandstillError,
    State,
    TaskCancelledError,
    TaskConfig,
    TaskExpiredError,
    TaskFailedError,
    TaskTimeoutError,
    UnknownHandlerError,
    UnknownTaskError,
    WaitTimeoutError,
)
from supervisor.hooks import on_worker_start, on_worker_stop
from supervisor.testing import InProcessQueue, in_process
from tests.support import mode_tasks as tasks
from tests.support.mode_tasks import seen, watch

MODULE = "tests.support.mode_tasks"


@pytest.fixture
def queue() -> Iterator[InProcessQueue]:
    with in_process(MODULE) as opened:
        yield watch(opened)


@pytest.fixture
def eager() -> Iterator[InProcessQueue]:
    with in_process(MODULE, eager=True) as opened:
        yield watch(opened)


# -- what runs when ----------------------------------------------------------------------------------------------


def test_nothing_runs_by_itself(queue: InProcessQueue) -> None:
    handle = tasks.double.delay(2)
    assert handle.state() is State.QUEUED
    assert queue.stats().unfinished == {"queued": 1}
    assert seen == []
    assert queue.run_until_idle() == 1
    assert handle.state() is State.SUCCEEDED
    assert seen == [2]


def test_run_one_runs_one_and_tells_how_that_went(queue: InProcessQueue) -> None:
    _ = tasks.fail_until.delay(2)
    _ = tasks.double.options(priority="high").delay(7)
    first = queue.run_one()
    assert first is not None
    assert (first.result, first.state) == (14, State.SUCCEEDED)
    second = queue.run_one()
    assert second is not None
    assert (second.state, second.attempt) == (State.RETRYING, 1)
    assert queue.run_one() is None


def test_run_until_idle_runs_what_is_submitted_meanwhile(queue: InProcessQueue) -> None:
    handle = tasks.spread.delay(5)
    assert queue.run_until_idle() == 6
    assert sorted(seen) == [0, 1, 2, 3, 4]
    assert [queue.wait(each).result for each in handle.result()] == [0, 2, 4, 6, 8]


def test_eager_runs_what_is_submitted(eager: InProcessQueue) -> None:
    handle = tasks.double.delay(2)
    assert seen == [2]
    assert handle.state() is State.SUCCEEDED
    assert [each.state() for each in tasks.double.map([(1,), (2,)])] == [State.SUCCEEDED] * 2
    assert eager.state(eager.enqueue("greet", {"to": "ann"})) is State.SUCCEEDED
    assert tasks.fail.delay("an error").state() is State.FAILED, "and its submitter hears nothing of it"


def test_eager_runs_what_a_task_submits_when_that_has_ended(eager: InProcessQueue) -> None:
    ids = tasks.spread.delay(3).result()
    assert seen == [0, 1, 2]
    assert {eager.state(each) for each in ids} == {State.SUCCEEDED}
    again: Any = tasks.nest.delay(3)
    assert again.result() == 3


def test_a_wait_runs_what_is_due(queue: InProcessQueue) -> None:
    first, second = tasks.double.delay(1), tasks.double.delay(2)
    assert first.result() == 2
    assert second.state() is State.QUEUED, "and no more than it has to"
    assert queue.wait(second.id, timeout=5).result == 4


def test_a_wait_of_no_seconds_runs_nothing(queue: InProcessQueue) -> None:
    handle = tasks.double.delay(1)
    with pytest.raises(WaitTimeoutError):
        handle.result(timeout=0)
    assert seen == []


def test_a_wait_in_vain_says_so_at_once(queue: InProcessQueue) -> None:
    handle = tasks.double.options(delay=5).delay(1)
    with pytest.raises(StandstillError, match="is scheduled, and nothing is due now"):
        handle.result()
    queue.pause()
    paused = tasks.double.delay(1)
    with pytest.raises(WaitTimeoutError, match="resume the queue"):
        paused.result(timeout=60)
    queue.resume()
    assert paused.result(timeout=60) == 2


@pytest.mark.parametrize("nested", [tasks.nest, tasks.anest], ids=["sync", "async"])
def test_a_task_waits_for_tasks_that_it_submits(queue: InProcessQueue, nested: Any) -> None:
    assert nested.delay(10).result() == 10
    assert len(queue.workers()) == 11, "each that waits keeps its worker"
    assert nested.delay(10).result() == 10
    assert len(queue.workers()) == 11


def test_a_coroutine_may_wait_as_blocking_code_does(queue: InProcessQueue) -> None:
    async def blocking() -> int:
        return tasks.later.delay(1).result(timeout=30) + tasks.double.delay(2).result(timeout=30)

    assert queue.wait(queue.submit(blocking)).result == 6


# -- the real serialiser and the real core -------------------------------------------------------------------------


def test_arguments_and_results_are_copies(queue: InProcessQueue) -> None:
    numbers: list[int] = []
    assert tasks.grow.delay(numbers).result() == 1
    assert numbers == []
    kept = queue.submit(sorted, [2, 1])
    assert queue.wait(kept).result is not queue.wait(kept).result


def test_what_cannot_cross_cannot_cross_here(queue: InProcessQueue) -> None:
    with pytest.raises(SerializationError, match="argument 'numbers'"):
        _ = queue.submit(tasks.grow, threading.Lock())
    handle = tasks.unportable.delay()
    queue.run_until_idle()
    record = handle.record()
    assert record.error is not None
    assert (record.state, record.cause) == (State.FAILED, Cause.REJECTED)
    assert "the result of task" in record.error.message


def test_large_payloads_travel_by_file(queue: InProcessQueue) -> None:
    assert len(queue.wait(queue.submit(str.upper, "x" * 100_000)).result) == 100_000
    assert tasks.large.delay(200_000).result() == "x" * 200_000
    assert len(list((queue.directory / "payloads").iterdir())) == 3


def test_functions_of_a_test_travel_by_value(queue: InProcessQueue) -> None:
    called: list[int] = []

    def local(number: int) -> int:
        called.append(number)
        return len(called)

    assert queue.wait(queue.submit(local, 3)).result == 1
    assert called == [], "as they would to another process"


def test_what_is_registered_later_is_known(queue: InProcessQueue) -> None:
    with pytest.raises(UnknownHandlerError, match="did you mean 'greet'"):
        queue.enqueue("great")
    queue.register_handler("registered later", tasks.tick)
    queue.wait(queue.enqueue("registered later", "now"))
    assert seen == ["now"]


def test_json_only_is_kept_to() -> None:
    with in_process(MODULE, payloads="json") as queue:
        watch(queue)
        assert tasks.double.delay(3).result() == 6
        assert queue.wait(queue.enqueue("greet", {"to": "bob"})).result == "hello bob"
        with pytest.raises(PayloadRefusedError):
            queue.submit(len, "abc")


def test_the_order_is_that_of_the_core(queue: InProcessQueue) -> None:
    for name, priority in (("first", 0), ("low", Priority.LOW), ("urgent", "critical"), ("second", 0)):
        _ = tasks.tick.options(priority=priority).delay(name)
    queue.run_until_idle()
    assert seen == ["urgent", "first", "second", "low"]


def test_limits_settings_and_unique_keys_are_those_of_the_core() -> None:
    with in_process(MODULE, queue_limit=2) as queue:
        watch(queue)
        once = tasks.double.options(unique="once")
        assert once.delay(1).id == once.delay(1).id
        _ = tasks.double.delay(2)
        with pytest.raises(QueueFullError):
            _ = tasks.double.delay(3)
    with pytest.raises(SettingsError, match="did you mean"):
        in_process(queue_limits_={}).stats()


def test_dead_letters_are_retried_and_dropped(queue: InProcessQueue) -> None:
    handle = tasks.fail.delay("gone wrong")
    queue.run_until_idle()
    with pytest.raises(TaskFailedError, match="gone wrong"):
        handle.result()
    assert [each.id for each in queue.dead_letters()] == [handle.id]
    assert queue.retry_dead_letters() == 1
    queue.run_until_idle()
    assert [each.number for each in queue.attempts(handle.id)] == [1, 1]
    assert queue.drop_dead_letter(handle.id)
    with pytest.raises(UnknownTaskError):
        handle.state()


# -- the clock ---------------------------------------------------------------------------------------------------


def test_a_delay_is_over_when_the_clock_says_so(queue: InProcessQueue) -> None:
    delayed = tasks.double.options(delay="1h").delay(1)
    eta = tasks.double.options(eta=queue.clock.now + timedelta(days=1)).delay(2)
    assert delayed.state() is State.SCHEDULED
    assert queue.run_until_idle() == 0
    queue.clock.advance("59m59s")
    assert queue.run_until_idle() == 0
    queue.clock.advance(1)
    assert delayed.state() is State.QUEUED
    assert queue.run_until_idle() == 1
    queue.clock.advance("23h")
    assert queue.run_until_idle() == 1
    assert eta.result() == 4


def test_retries_come_when_they_are_due(queue: InProcessQueue) -> None:
    handle = tasks.fail_until.options(backoff=2).delay(3)
    assert queue.run_until_idle() == 1
    queue.clock.advance(0.999)
    assert queue.run_until_idle() == 0
    queue.clock.advance(0.001)
    assert queue.run_until_idle() == 1
    queue.clock.advance(1)
    assert queue.run_until_idle() == 0
    queue.clock.advance(1)
    assert handle.result() == 3
    again = tasks.again_in.delay(90)
    queue.run_until_idle()
    queue.clock.advance(90)
    assert again.result() == "at last"
    starts = [attempt.started_at for attempt in queue.attempts(handle.id)]
    assert starts[1] - starts[0] == pytest.approx(1.0, abs=1e-4)


def test_run_due_goes_from_one_time_to_the_next(queue: InProcessQueue) -> None:
    start = queue.clock.now
    handle = tasks.fail_until.options(backoff=1).delay(3)
    assert queue.run_due(within="1m") == 3
    assert handle.result() == 3
    assert queue.clock.now - start == pytest.approx(timedelta(minutes=1), abs=timedelta(milliseconds=1))
    ends = [attempt.ended_at - start.timestamp() for attempt in queue.attempts(handle.id)]
    assert ends == pytest.approx([0.0, 1.0, 2.0], abs=1e-4)
    _ = tasks.double.options(delay=30).delay(1)
    _ = tasks.double.options(delay=40).delay(2)
    before = queue.clock.now
    assert queue.run_due() == 1
    assert queue.clock.now - before == pytest.approx(timedelta(seconds=30), abs=timedelta(milliseconds=1))
    assert queue.run_due() == 1
    assert queue.run_due() == 0


def test_schedules_fire_by_it() -> None:
    with in_process(MODULE, at=datetime(2026, 3, 28, 12, tzinfo=UTC)) as queue:
        watch(queue)
        queue.add_schedule(tasks.tick, ("night",), cron="30 3 * * *", zone="Europe/Berlin", name="nightly")
        assert queue.schedules()[0].next_at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC).timestamp()
        assert queue.run_due(within="7d") == 7
        assert seen == ["night"] * 7
        queue.clock.advance("3d")
        assert queue.run_until_idle() == 1, "what was missed is made up for once"


def test_expiry_rates_and_periods_go_by_it(queue: InProcessQueue) -> None:
    expiring = tasks.double.options(expires=60).delay(1)
    queue.clock.advance(60)
    assert expiring.state() is State.EXPIRED
    with pytest.raises(TaskExpiredError):
        expiring.result()

    tasks.double.options(rate="2/m").map([(number,) for number in range(5)])
    assert queue.run_until_idle() == 2
    queue.clock.advance(60)
    assert queue.run_until_idle() == 2

    period = tasks.tick.options(unique="hourly", unique_until="1h")
    first = period.delay()
    queue.run_until_idle()
    assert period.delay().id == first.id
    queue.clock.advance("1h")
    assert period.delay().id != first.id


def test_waiting_counts_by_it(queue: InProcessQueue) -> None:
    _ = tasks.tick.delay("old")
    queue.clock.advance("5m")
    _ = tasks.tick.options(priority=4).delay("new")
    _ = tasks.tick.options(priority=6).delay("newer")
    queue.run_until_idle()
    assert seen == ["newer", "old", "new"]


def test_results_and_records_go_when_their_time_is_over(queue: InProcessQueue) -> None:
    handle = tasks.large.options(result_ttl="1h").delay(100_000)
    assert handle.result() == "x" * 100_000
    queue.clock.advance("1h")
    with pytest.raises(ResultExpiredError):
        handle.result()
    assert list((queue.directory / "payloads").glob("*.result")) == []
    queue.clock.advance("2d")
    assert queue.get_task(handle.id) is None


def test_what_is_stored_is_the_time_of_the_clock() -> None:
    at = datetime(2031, 5, 1, 12, tzinfo=UTC)
    with in_process(MODULE, at=at) as queue:
        watch(queue)
        handle = tasks.take.delay(2)
        queue.clock.advance(10)
        assert handle.result() == 8.0, "what is left of its hard limit"
        record = handle.record()
        assert record.created_at == at.timestamp()
        assert record.started_at == at.timestamp() + 10
        assert record.ended_at == at.timestamp() + 12


# -- limits and cancelling -----------------------------------------------------------------------------------------


def test_past_the_soft_limit_the_task_hears_of_it(queue: InProcessQueue) -> None:
    assert tasks.clean_up.delay(3).result() == "in time"
    assert tasks.clean_up.delay(5).result() == "cleaned up"
    handle = tasks.take_async.delay(5)
    queue.run_until_idle()
    assert handle.record().cause is Cause.SOFT_TIMEOUT


def test_past_the_hard_limit_it_ends_as_killed(queue: InProcessQueue) -> None:
    handle = tasks.take.delay(11)
    assert queue.run_until_idle() == 2, "with its retry"
    assert seen == []
    record = handle.record()
    assert (record.state, record.cause) == (State.TIMED_OUT, Cause.TIMEOUT)
    with pytest.raises(TaskTimeoutError, match=r"_clock\(\)\.advance\(seconds\)") as caught:
        handle.result()
    assert caught.value.stack is not None
    assert "execute.py" not in caught.value.stack
    assert tasks.double.delay(1).result() == 2, "and others run"
    assert tasks.clean_up.delay(11).state() is State.QUEUED
    queue.run_until_idle()
    assert queue.stats().total.ended["timed_out"] == 2


def test_so_does_a_coroutine(queue: InProcessQueue) -> None:
    handle = tasks.take_async.delay(11)
    queue.run_until_idle()
    assert handle.state() is State.TIMED_OUT
    assert tasks.later.delay(1).result() == 2, "on a loop that works"


def test_a_handler_is_asked_about_it(queue: InProcessQueue) -> None:
    handle = tasks.judged.delay(11)
    queue.run_until_idle()
    assert seen == [(TaskTimeoutError, 1)]
    assert handle.state() is State.TIMED_OUT


def test_a_task_of_the_test_may_hold_its_queue(queue: InProcessQueue) -> None:
    def slow(seconds: float) -> str:
        queue.clock.advance(seconds)
        return queue.submit(tasks.double, 3)

    first = queue.wait(queue.submit(slow, 200, config=TaskConfig(timeout=201))).result
    assert queue.wait(first).result == 6
    late = queue.submit(slow, 200, config=TaskConfig(timeout=199, max_retries=0))
    queue.run_until_idle()
    assert queue.state(late) is State.TIMED_OUT


def test_what_waits_is_cancelled(queue: InProcessQueue) -> None:
    handle = tasks.double.delay(1)
    assert handle.cancel()
    assert queue.run_until_idle() == 0
    with pytest.raises(TaskCancelledError):
        handle.result()
    with queue.task_context(tasks.double, 1) as left:
        pass
    assert queue.state(left) is State.CANCELLED


def test_a_task_that_cancels_itself_hears_of_it(queue: InProcessQueue) -> None:
    handle = tasks.cancel_myself.delay()
    queue.run_until_idle()
    assert handle.state() is State.CANCELLED


def test_a_coroutine_is_cancelled_from_another_thread(queue: InProcessQueue) -> None:
    async def hang() -> None:
        await asyncio.sleep(3600)

    task_id = queue.submit(hang)
    with ThreadPoolExecutor(1) as pool:
        ran = pool.submit(queue.run_until_idle)
        while queue.state(task_id) is not State.RUNNING:
            pass
        assert queue.cancel(task_id)
        assert ran.result(timeout=30) == 1
    assert queue.state(task_id) is State.CANCELLED


# -- inside a task -------------------------------------------------------------------------------------------------


def test_current_task_and_progress_are_there(queue: InProcessQueue) -> None:
    handle = tasks.report.delay(3, 4)
    assert handle.result() == handle.id
    progress = handle.record().progress
    assert progress is not None
    assert (progress.done, progress.total, progress.message) == (3, 4, "so far")
    with pytest.raises(supervisor.SupervisorError, match="no task runs here"):
        supervisor.current_task()


def test_what_is_printed_is_kept_and_shown(queue: InProcessQueue, capsys: pytest.CaptureFixture[str]) -> None:
    handle = tasks.talk.delay("good day")
    queue.run_until_idle()
    assert handle.record().output == "good day\nto stderr\n"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("good day\n", "to stderr\n")


def test_a_flood_of_output_holds_nobody_up(queue: InProcessQueue, capsys: pytest.CaptureFixture[str]) -> None:
    handle = tasks.talk.delay("x" * 3_000_000)
    queue.run_until_idle()
    assert "characters dropped" in handle.record().output
    assert len(capsys.readouterr().out) == 3_000_001


def test_interrupting_a_task_interrupts_the_test(queue: InProcessQueue) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    queue.submit(interrupted)
    with pytest.raises(KeyboardInterrupt):
        queue.run_one()


def test_hooks_of_workers_run_around_the_first_and_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.hooks._starts", [])
    monkeypatch.setattr("supervisor.hooks._stops", [])
    on_worker_start(lambda: seen.append("start"))
    on_worker_stop(lambda: seen.append("stop"))
    with in_process(MODULE) as queue:
        watch(queue)
        _ = tasks.double.delay(1)
        assert seen == []
        queue.run_until_idle()
        tasks.double.delay(2).result()
        assert seen == ["start", 1, 2]
    assert seen == ["start", 1, 2, "stop"]


# -- threads, event loops, processes -------------------------------------------------------------------------------


def test_the_ready_queue_uses_it_from_any_thread(queue: InProcessQueue) -> None:
    with ThreadPoolExecutor(4) as pool:
        handles = list(pool.map(tasks.double.delay, range(50)))
        assert list(pool.map(lambda handle: handle.result(timeout=30), handles)) == [2 * each for each in range(50)]
    assert sorted(seen) == list(range(50))
    assert supervisor.queue.directory == queue.directory


def test_who_waits_while_another_thread_runs_a_task_has_only_so_much_patience(queue: InProcessQueue) -> None:
    gate, entered = threading.Event(), threading.Event()
    blocked = {"gate": gate, "entered": entered}
    tasks.doors.update(blocked)
    first, second = tasks.pass_through.delay(), tasks.double.delay(1)
    with ThreadPoolExecutor(2) as pool:
        ran = pool.submit(queue.run_until_idle)
        assert entered.wait(timeout=30)
        for handle in (first, second):
            with pytest.raises(WaitTimeoutError):
                handle.result(timeout=0.05)
        waiting = pool.submit(second.result, 30)
        gate.set()
        assert waiting.result(timeout=30) == 2
        assert ran.result(timeout=30) in (1, 2)
    assert first.result() == "through"


def test_afterwards_it_is_what_it_was_before() -> None:
    before = supervisor.queue.directory
    with in_process() as outer:
        with in_process() as inner:
            assert supervisor.queue.directory == inner.directory
        assert supervisor.queue.directory == outer.directory
        inner.close()
    assert supervisor.queue.directory == before


def test_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def use() -> None:
        with in_process(MODULE) as queue:
            watch(queue)
            tasks.nest.delay(3).result()
            _ = tasks.take.delay(11)
            _ = tasks.large.delay(100_000)
            _ = tasks.later.delay(1)
            queue.run_until_idle()
            queue.submit(len, "x" * 100_000)

    use()
    gc.collect()
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        use()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() == threads
    assert list(tmp_path.iterdir()) == []


def test_nor_is_anything_where_nobody_closes_it(tmp_path: Path) -> None:
    code = """
import os
from supervisor.testing import in_process
queue = in_process()
queue.wait(queue.submit(pow, 2, 3))
if not os.fork():
    raise SystemExit
os.wait()
assert queue.directory.exists(), "it is not for a fork to clear away"
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_coroutines_use_it() -> None:
    async def use() -> list[object]:
        async with in_process(MODULE) as queue:
            watch(queue)
            first = await tasks.later.adelay(1)
            assert await first.astate() is State.QUEUED
            assert await queue.arun_until_idle() == 1
            second = await tasks.double.adelay(4)
            record = await queue.arun_one()
            assert record is not None
            _ = await tasks.double.options(delay=9).adelay(5)
            assert await queue.arun_due(within="10s") == 1
            return [await first.aresult(), await second.aresult(), record.result]

    assert asyncio.run(use()) == [2, 8, 8]


def test_so_they_do_eagerly() -> None:
    async def use() -> list[object]:
        async with in_process(MODULE, eager=True) as queue:
            watch(queue)
            ended = await tasks.later.adelay(1)
            blocking = tasks.later.delay(2)  # blocks the loop, as it ever does
            assert await ended.astate() is State.SUCCEEDED
            return [await ended.aresult(), blocking.result()]

    assert asyncio.run(use()) == [2, 3]


def test_a_forked_process_is_told_that_it_is_alone(queue: InProcessQueue) -> None:
    pid = os.fork()
    if not pid:
        try:
            _ = tasks.double.delay(1)
        except QueueUnavailableError as error:
            os._exit(42 if "supervisor_tree" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
