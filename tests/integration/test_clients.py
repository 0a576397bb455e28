"""Clients of every sort: threads, forks, event loops, interrupted calls, lost answers, stopped brokers."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor import QueueUnavailableError, State, TaskQueue, UnknownTaskError, WaitTimeoutError
from supervisor.client.calls import submit
from supervisor.client.manager import QueueManager, QueueProxy
from supervisor.functions import Packing
from supervisor.ids import from_text, new_id, to_text
from supervisor.system import proc
from supervisor.wire.messages import Submission
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.relay import relay
from tests.support.script import run_script
from tests.support.shared import running
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0


@pytest.fixture
def make_tree(make_tree: MakeTree) -> MakeTree:
    """Trees whose workers are of ordinary niceness, so that a busy machine does not starve them."""
    return functools.partial(make_tree, cpus="off")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("clients")) as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


# -- threads -----------------------------------------------------------------------------------------------------


def test_many_threads_share_one_queue(queue: TaskQueue) -> None:
    def work(number: int) -> list[int]:
        handles = [tasks.add.on(queue).delay(number, step) for step in range(10)]
        return [handle.result(timeout=WAIT) for handle in handles]

    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(work, range(40)))
    assert found == [[number + step for step in range(10)] for number in range(40)]


def test_threads_that_connect_all_at_once(shared: RunningTree) -> None:
    barrier = threading.Barrier(100)
    found: list[int] = []

    def work() -> None:
        queue = TaskQueue(shared.dir, timeout=30.0)
        barrier.wait(WAIT)
        found.append(queue.stats().limit)
        queue.close()

    threads = [threading.Thread(target=work) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert found == [1_000_000] * 100


# -- forks -------------------------------------------------------------------------------------------------------


def test_forked_children_and_their_parent_use_the_queue_at_once(shared: RunningTree) -> None:
    script = """
        import os
        from supervisor import queue
        from operator import add
        assert queue.wait(queue.submit(add, 1, 1), timeout=60).result == 2   # the connection is open
        children = []
        for child in range(5):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    ids = [queue.submit(add, child, number) for number in range(20)]
                    code = 0 if [queue.wait(i, timeout=60).result for i in ids] == [child + n for n in range(20)] else 2
                finally:
                    os._exit(code)
            children.append(pid)
        ids = [queue.submit(add, 1000, number) for number in range(20)]
        assert [queue.wait(task_id, timeout=60).result for task_id in ids] == [1000 + n for n in range(20)]
        print([os.waitpid(pid, 0)[1] for pid in children])
        assert queue.wait(queue.submit(add, 2, 2), timeout=60).result == 4
    """
    assert run_script(shared, script, timeout=120) == "[0, 0, 0, 0, 0]\n"


def test_a_child_forked_from_an_event_loop_uses_the_queue(shared: RunningTree) -> None:
    script = """
        import asyncio, os
        from operator import add
        from supervisor import queue

        async def work(base):
            ids = await asyncio.gather(*(queue.asubmit(add, base, number) for number in range(20)))
            records = await asyncio.gather(*(queue.await_(task_id, timeout=60) for task_id in ids))
            return [record.result for record in records] == [base + number for number in range(20)]

        assert asyncio.run(work(0))
        pid = os.fork()
        if pid == 0:
            os._exit(0 if asyncio.run(work(10)) else 1)
        assert asyncio.run(work(20))
        print(os.waitpid(pid, 0)[1])
    """
    assert run_script(shared, script, timeout=120) == "0\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_use_the_queue(shared: RunningTree, method: str) -> None:
    script = """
        import multiprocessing, sys
        from operator import mul
        from supervisor import queue

        def work(number):
            return queue.wait(queue.submit(mul, number, number), timeout=60).result

        if __name__ == "__main__":
            work(1)
            with multiprocessing.get_context(sys.argv[1]).Pool(3) as pool:
                print(pool.map(work, range(12)))
    """
    assert run_script(shared, script, method, timeout=120) == f"{[number**2 for number in range(12)]}\n"


# -- event loops -------------------------------------------------------------------------------------------------


def test_many_coroutines_at_once_on_one_connection(shared: RunningTree) -> None:
    queue = TaskQueue(shared.dir, timeout=60.0)

    async def one(number: int) -> int:
        handle = await tasks.add.on(queue).adelay(number, 1)
        return await handle.aresult(timeout=WAIT)

    async def main() -> list[int]:
        return await asyncio.gather(*(one(number) for number in range(1000)))

    assert asyncio.run(main()) == list(range(1, 1001))


def test_several_event_loops_one_after_the_other_and_side_by_side(queue: TaskQueue) -> None:
    async def main(number: int) -> int:
        handles = await asyncio.gather(*(tasks.add.on(queue).adelay(number, step) for step in range(5)))
        return sum(await asyncio.gather(*(handle.aresult(timeout=WAIT) for handle in handles)))

    assert [asyncio.run(main(number)) for number in range(5)] == [5 * number + 10 for number in range(5)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: asyncio.run(main(number)), range(16))) == [
            5 * number + 10 for number in range(16)
        ]


def test_uvloop(shared: RunningTree) -> None:
    pytest.importorskip("uvloop")
    script = """
        import asyncio, uvloop
        from operator import add
        from supervisor import queue

        async def main(base):
            ids = await asyncio.gather(*(queue.asubmit(add, base, number) for number in range(200)))
            records = await asyncio.gather(*(queue.await_(task_id, timeout=60) for task_id in ids))
            return [record.result for record in records] == [base + number for number in range(200)]

        for base in range(3):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                print(runner.run(main(base)))
    """
    assert run_script(shared, script, timeout=120) == "True\nTrue\nTrue\n"


def test_the_event_loop_turns_while_coroutines_wait(queue: TaskQueue, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    async def main() -> float:
        handle = await tasks.wait_for_file.on(queue).adelay(str(gate), 60.0)
        waiting = asyncio.create_task(handle.aresult(timeout=WAIT))
        longest = await _longest_pause(0.5)
        gate.touch()
        assert await waiting == "seen"
        return longest

    assert asyncio.run(main()) < 0.3


async def _longest_pause(seconds: float) -> float:
    """The longest time for which the event loop did not turn."""
    longest, last = 0.0, time.monotonic()
    until_ = last + seconds
    while last < until_:
        await asyncio.sleep(0.001)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    return longest


def test_a_coroutine_that_is_cancelled_disturbs_no_other(queue: TaskQueue, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    async def main() -> None:
        handle = await tasks.wait_for_file.on(queue).adelay(str(gate), 60.0)
        waiting = [asyncio.create_task(handle.aresult(timeout=WAIT)) for _ in range(10)]
        await asyncio.sleep(0)
        for each in waiting[::2]:
            each.cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle.aresult(), 0.05)
        assert await (await tasks.add.on(queue).adelay(1, 2)).aresult(timeout=WAIT) == 3
        gate.touch()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends[::2]] == [asyncio.CancelledError] * 5
        assert ends[1::2] == ["seen"] * 5

    asyncio.run(main())


# -- a broker that does not answer -------------------------------------------------------------------------------


@contextmanager
def stopped(tree: RunningTree) -> Iterator[None]:
    """The broker stopped, and those who would replace it."""
    pids = [tree.pid_of(role) for role in ("guardian", "master", "broker")]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: all(proc.state(pid) == "T" for pid in pids), "everybody to stop")
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def test_a_stopped_broker_is_unavailable_in_time_and_available_again(tree: RunningTree) -> None:
    fresh, used = TaskQueue(tree.dir, timeout=0.5), TaskQueue(tree.dir, timeout=0.5)
    task_id = used.submit(tasks.add, 1, 2)
    assert used.wait(task_id, timeout=WAIT).result == 3
    calls = [
        lambda: used.submit(tasks.add, 3, 4),
        lambda: used.get_result(task_id),
        lambda: used.wait(task_id, timeout=0.5),
        lambda: fresh.submit(tasks.add, 3, 4),
        fresh.stats,
    ]
    with stopped(tree):
        for call in calls:
            started = time.monotonic()
            with pytest.raises(QueueUnavailableError, match=r"no answer within 0\.5 s"):
                call()
            assert 0.4 < time.monotonic() - started < 6
    assert used.get_result(task_id) is not None
    assert fresh.wait(fresh.submit(tasks.add, 5, 6), timeout=WAIT).result == 11


def test_the_event_loop_turns_while_the_broker_is_stopped(tree: RunningTree) -> None:
    queue = TaskQueue(tree.dir, timeout=1.0)

    async def main(*, connected: bool) -> float:
        if connected:
            await queue.astats()
        with stopped(tree):
            turning = asyncio.create_task(_longest_pause(0.8))
            with pytest.raises(QueueUnavailableError):
                await queue.asubmit(tasks.noop)
            return await turning

    assert asyncio.run(main(connected=True)) < 0.5
    assert asyncio.run(main(connected=False)) < 0.5


def test_a_broker_that_is_killed_is_waited_for(tree: RunningTree) -> None:
    queue = TaskQueue(tree.dir, timeout=20.0)
    gate = tree.folder / "gate"
    task_id = queue.submit(tasks.wait_for_file, str(gate), 60.0)
    until(lambda: queue.state(task_id) is State.RUNNING, "the task to run")
    with ThreadPoolExecutor(2) as pool:
        blocking = pool.submit(lambda: queue.wait(task_id, timeout=WAIT).result)
        by_loop = pool.submit(lambda: asyncio.run(queue.await_(task_id, timeout=WAIT)).result)
        until(lambda: queue.stats().waiting_calls == 2, "both to wait")
        before = tree.pid_of("broker")
        os.kill(before, signal.SIGKILL)
        assert queue.wait(queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3
        gate.touch()
        assert (blocking.result(WAIT), by_loop.result(WAIT)) == ("seen", "seen")
    assert tree.pid_of("broker") != before


# -- interrupted calls -------------------------------------------------------------------------------------------


def test_a_keyboard_interrupt_in_a_call_does_not_spoil_the_next(shared: RunningTree) -> None:
    script = """
        import itertools, random, signal
        from operator import add
        from supervisor import queue

        def interrupt(signum, frame):
            if armed:
                raise KeyboardInterrupt

        armed = False
        signal.signal(signal.SIGALRM, interrupt)
        queue.stats()
        interrupted = 0
        results = {}
        for number in itertools.count():
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.006))
            try:
                armed = True
                task_id = queue.submit(add, number, 1)
                results[task_id] = number + 1
                record = queue.get_task(task_id)
                assert record.id == task_id, "the answer to another question"
                armed = False
            except KeyboardInterrupt:
                armed = False
                interrupted += 1
            if interrupted >= 150:
                break
        assert queue.stats().limit == 1_000_000
        for task_id, expected in itertools.islice(results.items(), 100):
            assert queue.wait(task_id, timeout=60).result == expected
        print("interrupted", interrupted)
    """
    assert run_script(shared, script, timeout=110) == "interrupted 150\n"


def test_a_wait_can_be_interrupted_at_once(shared: RunningTree) -> None:
    script = """
        import os, signal, threading, time
        from supervisor import queue
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
        task_id = queue.submit(time.sleep, 600)
        queue.stats()
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        started = time.monotonic()
        try:
            queue.wait(task_id)
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - started < 10)
        print(queue.state(task_id), queue.cancel(task_id))
    """
    said = run_script(shared, script).splitlines()
    assert said[0] == "interrupted True"
    assert said[1] in ("running True", "queued True")


# -- lost answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["blocking", "asyncio", "many"])
def test_an_answer_that_was_lost_does_not_enqueue_twice(tree: RunningTree, tmp_path: Path, form: str) -> None:
    ran = tmp_path / "ran"
    with relay(tmp_path / "relay", tree.dir) as between:
        queue = TaskQueue(between.directory.path, timeout=20.0)
        between.lose_answers = 2
        match form:
            case "blocking":
                ids = [queue.submit(tasks.note, str(ran))]
            case "asyncio":
                ids = [asyncio.run(queue.asubmit(tasks.note, str(ran)))]
            case _:
                ids = queue.submit_many(tasks.note, [(str(ran),)] * 3)
        assert between.lost == 2, "it was accepted three times over, but for the id"
        for task_id in ids:
            queue.wait(task_id, timeout=WAIT)
        assert tree.queue.stats().ended == {"succeeded": len(ids)}
        assert ran.read_text() == "ran\n" * len(ids)
        queue.close()


def test_a_task_that_has_ended_is_not_taken_in_again(tree: RunningTree, tmp_path: Path) -> None:
    """The answer to a submit is lost, and the task is over before the client says it again."""
    ran = tmp_path / "ran"
    submission = Submission(new_id(), "note", Packing(tasks.note.__supervisor_function__, "note").pack([str(ran)], {}))
    proxy = tree.queue._ends.sync
    assert proxy.perform(submit(submission, 10.0)) == submission.id
    assert tree.queue.wait(to_text(submission.id), timeout=WAIT).state is State.SUCCEEDED
    again = Submission(submission.id, submission.name, submission.payload, again=True)
    assert proxy.perform(submit(again, 10.0)) == submission.id
    assert tree.queue.state(to_text(submission.id)) is State.SUCCEEDED
    tree.queue.wait(tree.queue.submit(tasks.noop), timeout=WAIT)
    assert ran.read_text() == "ran\n"


def test_connections_that_were_cut_while_idle_are_replaced(tree: RunningTree, tmp_path: Path) -> None:
    with relay(tmp_path / "relay", tree.dir) as between:
        queue = TaskQueue(between.directory.path, timeout=20.0)

        async def main() -> None:
            for number in range(3):
                assert await (await tasks.add.on(queue).adelay(number, 1)).aresult(timeout=WAIT) == number + 1
                between.hang_up()

        for number in range(3):
            assert tasks.add.on(queue).delay(number, 1).result(timeout=WAIT) == number + 1
            between.hang_up()
        asyncio.run(main())
        queue.close()


def test_a_wait_goes_on_over_a_new_connection(tree: RunningTree, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with relay(tmp_path / "relay", tree.dir) as between:
        queue = TaskQueue(between.directory.path, timeout=20.0)
        handle = tasks.wait_for_file.on(queue).delay(str(gate), 60.0)
        with ThreadPoolExecutor(2) as pool:
            waiting = [
                pool.submit(handle.result, WAIT),
                pool.submit(lambda: asyncio.run(handle.aresult(timeout=WAIT))),
            ]
            until(lambda: tree.queue.stats().waiting_calls == 2, "both to wait")
            between.hang_up()
            until(lambda: between.connections >= 4, "both to connect again")
            gate.touch()
            assert [each.result(WAIT) for each in waiting] == ["seen", "seen"]
        queue.close()


def test_a_wait_without_a_limit_outlives_a_restart_of_the_supervisor(make_tree: MakeTree) -> None:
    tree = make_tree(grace="100ms")
    gate = tree.folder / "gate"
    queue = TaskQueue(tree.dir, timeout=30.0)
    handle = tasks.wait_for_file.on(queue).delay(str(gate), 60.0)
    until(lambda: handle.state() is State.RUNNING, "the task to run")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(handle.result)
        until(lambda: queue.stats().waiting_calls == 1, "it to wait")
        tree.stop()
        tree.start()
        gate.touch()
        assert waiting.result(WAIT) == "seen"


# -- a stock manager ---------------------------------------------------------------------------------------------


def test_a_stock_manager_client_with_our_serializer(tree: RunningTree) -> None:
    manager = QueueManager(tree.queue._ends.directory)
    manager.connect()
    proxy = QueueProxy(tree.queue._ends.directory)
    assert proxy._callmethod("stats")["limit"] == 1_000_000
    task_id = tree.queue.submit(tasks.add, 1, 2)
    tree.queue.wait(task_id, timeout=WAIT)
    row = proxy._callmethod("task", (from_text(task_id), False))
    assert row[0] == from_text(task_id)
    with pytest.raises(UnknownTaskError):
        proxy._callmethod("wait", (b"0" * 16, 0.0, False))
    proxy.close()


def test_idle_connections_are_reused(tmp_path: Path, tree: RunningTree) -> None:
    with relay(tmp_path / "relay", tree.dir) as between:
        queue = TaskQueue(between.directory.path, timeout=20.0)
        for _ in range(50):
            queue.stats()
        assert between.connections == 1
        queue.close()
        queue.stats()
        assert between.connections == 2
        queue.close()


def test_waiting_callers_that_leave_are_forgotten(tree: RunningTree) -> None:
    gate = tree.folder / "gate"
    task_id = tree.queue.submit(tasks.wait_for_file, str(gate), 60.0)

    async def main() -> None:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(tree.queue.await_(task_id, timeout=600), 0.01)

    asyncio.run(main())
    until(lambda: tree.queue.stats().waiting_calls == 0, "the broker to forget them")
    with pytest.raises(WaitTimeoutError):
        tree.queue.wait(task_id, timeout=0.01)
    gate.touch()
    assert tree.queue.wait(task_id, timeout=WAIT).result == "seen"


def test_results_reach_those_who_asked(queue: TaskQueue) -> None:
    """Answers on one connection come in the order of the ends of tasks, and each finds its call."""

    async def one(seconds: float) -> float:
        task_id = await queue.asubmit(_sleep_and_tell, seconds)
        found: float = (await queue.await_(task_id, timeout=WAIT)).result
        return found

    async def main() -> list[float]:
        return await asyncio.gather(*(one(number / 100) for number in range(20, 0, -1)))

    assert asyncio.run(main()) == [number / 100 for number in range(20, 0, -1)]
    assert Counter(type(worker.pid) for worker in queue.workers()) == {int: 2}


def _sleep_and_tell(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_nothing_is_left_open_by_a_queue_that_is_closed(tree: RunningTree) -> None:
    before = set(os.listdir("/proc/self/fd"))
    queue = TaskQueue(tree.dir, timeout=10.0)
    queue.stats()
    asyncio.run(queue.astats())
    queue.close()
    after = [name for name in os.listdir("/proc/self/fd") if name not in before and _is_socket(name)]
    assert after == []


def _is_socket(name: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    except OSError:
        return False


def test_a_socket_that_only_listens_is_no_supervisor(tmp_path: Path, tree: RunningTree) -> None:
    with relay(tmp_path / "relay", tree.dir) as between:
        directory = between.directory
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        directory.socket.unlink()
        listener.bind(str(directory.socket))
        listener.listen(8)
        queue = TaskQueue(directory.path, timeout=0.5)
        with pytest.raises(QueueUnavailableError):
            queue.stats()
        with pytest.raises(QueueUnavailableError):
            asyncio.run(queue.astats())
