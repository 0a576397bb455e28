"""The commands about tasks and queues, run as a person runs them; those that read do so of a stopped supervisor too."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import State, TaskQueue
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.command import Terminal, ask, run, told
from tests.support.shared import ended, running
from tests.support.tree import RunningTree
from tests.support.waiting import until

ADD = "tests.support.tasks.add"
SLEEP = "tests.support.tasks.sleep"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("cli"), workers=2) as tree:
        yield tree


@pytest.fixture
def queue(shared: RunningTree) -> TaskQueue:
    return shared.queue


def later(queue: TaskQueue, named: str = "default") -> str:
    """A task that waits for an hour."""
    return tasks.add.on(queue).options(delay="1h", queue=named).delay(1, 1).id


# -- submit ------------------------------------------------------------------------------------------------------


def test_submit_waits_for_the_result_when_asked_to(shared: RunningTree) -> None:
    ran = ask(shared, "submit", ADD, "--args", '{"left": 2, "right": 3}', "--wait")
    assert (ran.code, ran.out, ran.error) == (0, "5\n", "")


def test_submit_prints_the_id(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = ask(shared, "submit", ADD, "--args", '{"left": 2, "right": 4}').out.strip()
    assert ended(queue, task_id).result == 6


def test_submit_of_what_fails_is_1_and_says_why(shared: RunningTree) -> None:
    ran = ask(shared, "submit", "tests.support.tasks.fail", "--args", '{"message": "no luck"}', "--wait")
    assert ran.code == 1
    assert "failed" in ran.error
    assert "no luck" in ran.error


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["tests.support.tasks.ad"], 1, ADD),
        ([ADD, "--args", "{"], 2, "--args: no JSON"),
        ([ADD, "--args", "[1, 2]"], 2, "takes its arguments by name"),
        ([ADD, "--priority", "hihg"], 1, "priority"),
    ],
)
def test_a_submit_that_makes_no_sense_is_refused_with_a_sentence(
    shared: RunningTree, arguments: list[str], code: int, sentence: str
) -> None:
    ran = ask(shared, "submit", *arguments)
    assert ran.code == code
    assert sentence in ran.error
    assert "Traceback" not in ran.error


# -- looking -----------------------------------------------------------------------------------------------------


def test_tasks_are_listed_the_latest_first_and_filtered(shared: RunningTree, queue: TaskQueue) -> None:
    first, second = later(queue, "mail"), later(queue, "mail")
    failed = tasks.fail.on(queue).delay("listed").id
    ended(queue, failed)
    listed = told(shared, "tasks", "--queue", "mail")
    assert [row["id"] for row in listed] == [second, first]
    assert {row["state"] for row in listed} == {"scheduled"}
    assert failed in [
        row["id"] for row in told(shared, "tasks", "--state", "failed", "--state", "lost", "--since", "1h")
    ]
    assert told(shared, "tasks", "--name", "tests.support.nothing.*") == []
    (page,) = told(shared, "tasks", "--queue", "mail", "-n", "1")
    (rest,) = told(shared, "tasks", "--queue", "mail", "-n", "1", "--before", str(page["seq"]))
    assert (page["id"], rest["id"]) == (second, first)
    assert ask(shared, "cancel", first, second).code == 0


def test_a_list_of_tasks_fits_into_80_columns(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = tasks.add.on(queue).delay(1, 1).id
    ended(queue, task_id)
    with Terminal("tasks", "--dir", shared.dir, cwd=shared.folder) as terminal:
        ran = terminal.finish()
    assert ran.code == 0
    assert task_id[-12:] in ran.out
    assert ADD in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80, ran.out


def test_show_tells_a_tasks_whole_life(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = tasks.fail_until.on(queue).options(max_retries=3, retry_delay=0.01).delay(3).id
    ended(queue, task_id)
    shown = ask(shared, "show", task_id[-12:])
    assert shown.code == 0, shown.error
    for words in ("submitted", "attempt 1 in process", "attempt 2", "attempt 3", "exception after", "succeeded"):
        assert words in shown.out, shown.out
    found = told(shared, "show", task_id)
    assert found["task"]["state"] == "succeeded"
    assert [attempt["number"] for attempt in found["attempts"]] == [1, 2, 3]


def test_show_has_the_stack_of_a_kill_and_what_was_said(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = tasks.endless_loop.on(queue).options(timeout=0.3, max_retries=0).delay().id
    assert ended(queue, task_id).state is State.TIMED_OUT
    shown = ask(shared, "show", task_id)
    assert "stack when it was killed" in shown.out
    assert "endless_loop" in shown.out


@pytest.mark.parametrize("written", ["0" * 32, "nothing", "ffffffff"])
def test_an_id_that_does_not_exist_is_1_and_a_sentence(shared: RunningTree, written: str) -> None:
    for command in ("show", "logs", "cancel"):
        ran = ask(shared, command, written)
        assert (ran.code, "there is no task" in ran.error) == (1, True), ran


def test_part_of_an_id_that_several_have_is_refused(shared: RunningTree, queue: TaskQueue) -> None:
    task_id, _ = later(queue), later(queue)
    ran = ask(shared, "show", task_id[:4])
    assert ran.code == 1
    assert "name more of it" in ran.error


def test_logs_follow_a_task_to_its_end(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = tasks.shout.on(queue).delay(300).id
    ran = ask(shared, "logs", task_id, "-f")
    assert ran.code == 0
    assert len(ran.out) >= 300
    assert ask(shared, "logs", task_id).out == ran.out
    (first, *_) = ask(shared, "logs", task_id, "--json").out.splitlines()
    assert json.loads(first)["stream"] == "stdout"


# -- doing -------------------------------------------------------------------------------------------------------


def test_cancel_says_what_had_ended(shared: RunningTree, queue: TaskQueue) -> None:
    waits = later(queue)
    done = tasks.add.on(queue).delay(1, 1).id
    ended(queue, done)
    ran = ask(shared, "cancel", waits, done)
    assert ran.code == 1
    assert (f"{waits} cancelled\n" in ran.out, f"{done} had ended before\n" in ran.error) == (True, True)


def test_priority_is_changed_by_number_and_by_name(shared: RunningTree, queue: TaskQueue) -> None:
    task_id = later(queue)
    assert ask(shared, "priority", task_id, "high").code == 0
    assert told(shared, "show", task_id)["task"]["priority"] == 10
    assert ask(shared, "priority", task_id, "-3").code == 2  # an option, to click
    assert ask(shared, "priority", task_id, "7").code == 0
    assert told(shared, "show", task_id)["task"]["priority"] == 7


def test_clear_asks_first_and_takes_only_what_was_named(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    kept, cleared = later(tree.queue), later(tree.queue, "bulk")
    with Terminal("clear", "--queue", "bulk", "--dir", tree.dir, cwd=tree.folder) as terminal:
        until(lambda: "Cancel 1 task of the queue bulk that wait?" in terminal.read(), "the question")
        terminal.type("n\n")
        assert terminal.finish().code == 1
    assert told(tree, "clear", "--queue", "bulk", "--yes") == {"count": 1}
    states = {task_id: told(tree, "show", task_id)["task"]["state"] for task_id in (kept, cleared)}
    assert states == {kept: "scheduled", cleared: "cancelled"}


def test_dead_letters_are_listed_by_their_ends_and_not_by_their_arrival(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    first = tasks.fail.on(tree.queue).options(max_retries=0, delay=1.5).delay("late").id
    for task_id in [tasks.fail.on(tree.queue).options(max_retries=0).delay("early").id for _ in range(2)]:
        tree.queue.wait(task_id, timeout=20)
    tree.queue.wait(first, timeout=20)
    assert [row["id"] for row in told(tree, "dead", "list", "-n", "1")] == [first]
    assert len(told(tree, "dead", "list", "--since", "1h")) == 3
    assert told(tree, "dead", "list", "--since", "1ms") == []
    assert told(tree, "dead", "list", "--name", "nothing.*") == []
    assert len(told(tree, "dead", "list", "--name", "tests.*")) == 3


def test_dead_letters_are_listed_retried_and_dropped(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    ids = [tasks.fail.on(tree.queue).options(max_retries=0).delay("dead").id for _ in range(3)]
    for task_id in ids:
        ended(tree.queue, task_id)
    assert {row["id"] for row in told(tree, "dead", "list")} == set(ids)
    assert "dead" in ask(tree, "dead", "list").out
    assert ask(tree, "retry", ids[0]).code == 0
    assert ended(tree.queue, ids[0]).retried == 1
    assert told(tree, "retry", "--all-failed") == {"count": 3}
    for task_id in ids:
        until(lambda: tree.queue.get_task(task_id).retried >= 1, "another end")  # type: ignore[union-attr]  # noqa: B023
        ended(tree.queue, task_id)
    assert ask(tree, "dead", "retry").code == 2
    well = tasks.add.on(tree.queue).delay(1, 2).id
    tree.queue.wait(well, timeout=20)
    for act in (("retry",), ("drop", "--yes")):
        assert "it is no dead letter" in ask(tree, "dead", *act, well).error
    assert told(tree, "dead", "drop", ids[0], "--yes") == {"count": 1}
    assert told(tree, "dead", "drop", "--all", "--yes") == {"count": 2}
    assert ask(tree, "dead", "list").out == "no dead letters\n"
    assert ask(tree, "retry").code == 2


def test_a_paused_queue_hands_nothing_out_until_it_is_resumed(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    assert ask(tree, "pause").out == "the queue default is paused\n"
    handle = tasks.add.on(tree.queue).delay(1, 2)
    (row,) = [row for row in told(tree, "queues") if row["name"] == "default"]
    assert (row["paused"], row["figures"]["depth"]) == (True, 1)
    assert "paused" in ask(tree, "queues").out
    shown = ask(tree, "show", handle.id).out
    assert "queue default, priority 0" in shown
    assert "waits: the queue default is paused; `supervisor resume default` goes on with it" in shown
    assert told(tree, "show", handle.id)["held_up"] == [
        "the queue default is paused; `supervisor resume default` goes on with it"
    ]
    assert ask(tree, "pause", "nosuch").out == "the queue nosuch is paused; no task of it was seen yet\n"
    assert ask(tree, "resume").code == 0
    assert handle.result(timeout=20) == 3


def test_drain_waits_for_what_runs(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    _ = tasks.sleep.on(tree.queue).delay(1.0)
    until(lambda: tree.queue.active_count() == 1, "it to run")
    with Terminal("drain", "--dir", tree.dir, cwd=tree.folder) as terminal:
        ran = terminal.finish()
    assert ran.code == 0
    assert "1 of 1" in ran.out
    assert "drained" in ran.out
    assert not tree.queue.is_accepting()
    assert ask(tree, "drain", "--open").out == "open\n"
    assert tasks.add.on(tree.queue).delay(1, 2).result(timeout=20) == 3


def test_stats_name_every_task(shared: RunningTree, queue: TaskQueue) -> None:
    assert tasks.add.on(queue).delay(1, 2).result(timeout=20) == 3
    assert ADD in told(shared, "stats")["tasks"]
    assert ADD[:20] in ask(shared, "stats").out


# -- a supervisor that is stopped ----------------------------------------------------------------------------------


def test_history_is_there_while_the_supervisor_is_stopped_or_dead(make_tree: MakeTree) -> None:
    tree = make_tree(workers=1)
    done = tasks.shout.on(tree.queue).delay(100).id
    failed = tasks.fail.on(tree.queue).options(max_retries=0).delay("in the past").id
    waits = later(tree.queue)
    for task_id in (done, failed):
        ended(tree.queue, task_id)
    tree.signal(signal.SIGKILL)
    assert tree.stop() == -signal.SIGKILL
    until(lambda: tree.status() is None, "nobody to answer")
    for _ in ("killed", "stopped"):
        assert {row["id"] for row in told(tree, "tasks")} == {done, failed, waits}
        assert told(tree, "show", failed)["task"]["error"]["message"] == "in the past"
        assert len(ask(tree, "logs", done).out) >= 100
        assert [row["id"] for row in told(tree, "dead", "list")] == [failed]
        assert told(tree, "stats") == {"running": False, "states": {"failed": 1, "scheduled": 1, "succeeded": 1}}
        ran = ask(tree, "cancel", waits)
        assert (ran.code, ran.out) == (1, "")
        assert "supervisor: " in ran.error
        tree.start()
        assert tree.stop() == 0


def test_without_a_journal_it_says_so(tmp_path: Path) -> None:
    ran = run("tasks", "--dir", "nowhere", cwd=tmp_path)
    assert ran.code == 1
    assert "there is none" in ran.error
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_a_script_that_completes(tmp_path: Path, shell: str) -> None:
    ran = run("completion", shell, cwd=tmp_path)
    assert ran.code == 0
    assert "_SUPERVISOR_COMPLETE" in ran.out


def test_commands_and_options_are_completed(tmp_path: Path) -> None:
    asked = {"_SUPERVISOR_COMPLETE": "bash_complete", "COMP_WORDS": "supervisor ta", "COMP_CWORD": "1"}
    assert "plain,tasks" in run(cwd=tmp_path, env=asked).out
