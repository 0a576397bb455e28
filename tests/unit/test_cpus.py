"""Dividing the CPUs between the web and the tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.system.cpus import default_workers, format_cpus, parse_cpus, plan_cpus

FOUR = frozenset(range(4))
masks = st.frozensets(st.integers(0, 300), min_size=1, max_size=40)


@given(masks)
def test_a_mask_is_read_back_from_the_list_that_is_shown(cpus: frozenset[int]) -> None:
    assert parse_cpus(format_cpus(cpus)) == cpus


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0", {0}), ("0,2-3", {0, 2, 3}), (" 1 , 1-2 ,", {1, 2}), ("3-3", {3}), ("7,5-6", {5, 6, 7})],
)
def test_lists_are_read_as_people_write_them(text: str, cpus: set[int]) -> None:
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["", " , ", "a", "1-", "-1", "1-b", "1--2", "3-1", "1.5"])
def test_a_list_that_names_no_cpu_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="CPU"):
        parse_cpus(text)


@given(masks, st.integers(1, 50))
def test_automatically_each_task_worker_gets_a_cpu_of_its_own_and_the_web_the_rest_or_nobody_is_pinned(
    allowed: frozenset[int], workers: int
) -> None:
    plan = plan_cpus("auto", workers, allowed)
    mine = frozenset[int]().union(*plan.tasks)
    assert plan.web <= allowed
    assert plan.web
    if workers < len(allowed):
        assert plan.pinned
        assert [len(cpus) for cpus in plan.tasks] == [1] * workers
        assert len(mine) == workers
        assert mine | plan.web == allowed
        assert not mine & plan.web
    else:
        assert not plan.pinned
        assert plan.web == allowed
        assert plan.of_worker(0) == frozenset()
        assert "nice" in plan.reason


@given(masks)
def test_as_many_workers_as_by_default_leave_one_cpu_to_the_web(allowed: frozenset[int]) -> None:
    workers = default_workers(allowed)
    assert workers == max(1, len(allowed) - 1)
    assert plan_cpus("auto", workers, allowed).pinned == (len(allowed) > 1)


def test_off_pins_nobody() -> None:
    plan = plan_cpus("off", 2, FOUR)
    assert (plan.web, plan.tasks, plan.pinned) == (FOUR, (), False)


@pytest.mark.parametrize(
    ("setting", "web", "tasks"),
    [
        ("1-3", {0}, [{1}, {2}, {3}]),
        ("0-3", {0, 1, 2, 3}, [{0}, {1}, {2}, {3}]),
        ("3,9", {0, 1, 2}, [{3}]),
        ({"tasks": "2"}, {0, 1, 3}, [{2}]),
        ({"web": "0"}, {0}, [{1}, {2}, {3}]),
        ({"web": "0-3"}, {0, 1, 2, 3}, [{0}, {1}, {2}, {3}]),
        ({"web": "0-1", "tasks": "1-2"}, {0, 1}, [{1}, {2}]),
    ],
)
def test_named_cpus_are_used_as_named_and_what_is_not_named_gets_the_rest(
    setting: str | dict[str, str], web: set[int], tasks: list[set[int]]
) -> None:
    plan = plan_cpus(setting, 2, FOUR)
    assert (set(plan.web), [set(cpus) for cpus in plan.tasks]) == (web, tasks)


@pytest.mark.parametrize("setting", ["8-9", {"tasks": "7"}, {"web": "7"}, {"web": "7", "tasks": "1"}])
def test_naming_only_cpus_that_may_not_be_used_is_an_error_that_says_which_may(setting: str | dict[str, str]) -> None:
    with pytest.raises(ValueError, match="allowed: 0-3"):
        plan_cpus(setting, 2, FOUR)


def test_more_workers_than_named_cpus_go_round() -> None:
    plan = plan_cpus("1-2", 5, FOUR)
    assert [set(plan.of_worker(slot)) for slot in range(5)] == [{1}, {2}, {1}, {2}, {1}]
