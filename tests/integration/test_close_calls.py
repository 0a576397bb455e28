"""Tasks that end in the very moment in which they are to be killed: one way or the other, and nobody waits for ever."""

from __future__ import annotations

from supervisor import State, TaskConfig
from tests.conftest import MakeTree
from tests.support.close_calls import end_at, loop
from tests.support.waiting import until

TIMEOUT = 0.1
EARLIEST, LATEST = 0.001, -0.005
COUNT = 40


def test_a_task_that_ends_as_its_deadline_strikes_ends_in_one_way_and_its_worker_works_on(make_tree: MakeTree) -> None:
    tree = make_tree(workers=2, max_retries=0, tasks="tests.support.close_calls")
    ends = [EARLIEST + (LATEST - EARLIEST) * number / COUNT for number in range(COUNT)]
    ids = tree.queue.submit_many(end_at, [(left,) for left in ends], config=TaskConfig(timeout=TIMEOUT))

    def left() -> int:
        states = [tree.queue.state(task_id) for task_id in ids]
        assert {state for state in states if state.ended} <= {State.SUCCEEDED, State.TIMED_OUT}
        return sum(not state.ended for state in states)

    until(lambda: not left(), "the end of every task", 100.0, 0.1)
    until(lambda: not any(worker.tasks for worker in tree.queue.workers()), "nobody to hold anything")
    last = tree.queue.submit_many(end_at, [(60.0,)] * 20, config=TaskConfig(timeout=60.0))
    assert [tree.queue.wait(task_id, timeout=20.0).result for task_id in last] == [60.0] * 20


def test_the_stack_of_a_kill_is_not_mixed_with_one_that_was_written_for_nothing(make_tree: MakeTree) -> None:
    """A stack is written some milliseconds before the deadline, and dropped when the task ends after all."""
    tree = make_tree(workers=1, max_retries=0, tasks="tests.support.close_calls")
    config = TaskConfig(timeout=1.5)
    for left in (0.004, 0.005, 0.006):
        tree.queue.submit(end_at, left, config=config)
    task_id = tree.queue.submit(loop, config=config)
    until(lambda: tree.queue.state(task_id) is State.TIMED_OUT, "its end", 60.0)
    record = tree.queue.get_task(task_id)
    assert record is not None
    assert record.error is not None
    stack = record.error.stack or ""
    assert "in loop" in stack
    assert "in end_at" not in stack
    assert "\0" not in stack
