"""The options of a schedule: what they mean, and the sentence for each that makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import ScheduleError, TaskConfig, task
from supervisor.core.plan import Misfire, Overlap
from supervisor.core.slots import Timing
from supervisor.schedule_options import ScheduleOptions, read_rules
from supervisor.schedules import Declarations, declaration
from supervisor.wire.info import Info

ORIGIN = 1_764_000_000_000
NEW_YEAR, FAR = datetime(2025, 1, 1), datetime(9999, 12, 31)  # noqa: DTZ001  as people write them
NOON = datetime(2025, 7, 1, 12)  # noqa: DTZ001
ZONE = 'makes no sense: expected a time zone such as "Europe/Berlin"'
CRON = 'expected "minute hour day-of-month month day-of-week", such as "*/5 * * * *", seconds in front where wanted'
SPAN = 'in seconds or such as "30s", "5m" or "1h30m"'
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "give either cron or every"),
    ({"cron": "@daily", "every": 3}, "give either cron or every"),
    ({"cron": "61 * * * *"}, f"cron='61 * * * *' cannot be read: bad minute; {CRON}"),
    ({"cron": "* * *"}, f"cron='* * *' cannot be read: wrong number of fields; {CRON}"),
    ({"cron": "0 0 */28 2 MON#2"}, "cron='0 0 */28 2 MON#2' never fires"),
    ({"cron": 5}, f"cron=5 makes no sense: {CRON}"),
    ({"cron": " "}, f"cron=' ' makes no sense: {CRON}"),
    (
        {"cron": "@never"},
        "cron='@never' makes no sense: expected one of"
        " @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly",
    ),
    ({"every": 0.0999}, f"every=0.0999 makes no sense: expected a duration from 100ms up to 3650d, {SPAN}"),
    ({"every": 0}, f"every=0 makes no sense: expected a duration from 100ms up to 3650d, {SPAN}"),
    ({"every": True}, f"every=True makes no sense: expected a duration from 100ms up to 3650d, {SPAN}"),
    ({"every": float("nan")}, f"every=nan makes no sense: expected a duration from 100ms up to 3650d, {SPAN}"),
    ({"every": "often"}, f"every='often' makes no sense: expected a duration from 100ms up to 3650d, {SPAN}"),
    (
        {"every": 3, "start": -1},
        f"start=-1 makes no sense: expected a datetime, or a duration from 0s up to 3650d, {SPAN}",
    ),
    (
        {"every": 3, "stop": "noon"},
        f"stop='noon' makes no sense: expected a datetime, or a duration from 0s up to 3650d, {SPAN}",
    ),
    ({"every": 3, "grace": -1}, f"grace=-1 makes no sense: expected a duration from 0s up to 3650d, {SPAN}"),
    ({"every": 3, "start": NEW_YEAR, "stop": NEW_YEAR}, "it stops before it starts"),
    ({"every": 3, "stop": 2}, "it stops before it fires for the first time; start=0 has it fire at once"),
    ({"cron": "@daily", "start": FAR}, "it starts or stops after the year 9000"),
    ({"every": 3, "stop": FAR}, "it starts or stops after the year 9000"),
    ({"every": 3, "zone": "Europe/Berln"}, f"zone='Europe/Berln' {ZONE}; did you mean 'Europe/Berlin'?"),
    ({"every": 3, "zone": "../x"}, f"zone='../x' {ZONE}"),
    ({"every": 3, "zone": UTC}, f"zone=datetime.timezone.utc {ZONE}; did you mean 'UTC'?"),
    ({"every": 3, "misfire": "twice"}, 'misfire=\'twice\' makes no sense: expected "once" or "skip" or "all"'),
    ({"every": 3, "overlap": None}, 'overlap=None makes no sense: expected "allow" or "skip" or "queue"'),
    (
        {"every": 3, "misfire": "all", "overlap": "skip"},
        'misfire="all" with overlap="skip" would run the first slot that was missed and pass over the others; "queue"'
        " runs one after the other",
    ),
    ({"every": 3, "mifsire": "all"}, "mifsire is no option; did you mean 'misfire'?"),
    ({"every": 3, "qqq": "all"}, "qqq is no option"),
    ({"every": 3, "name": ""}, "name='' makes no sense: expected 1 to 200 characters"),
    ({"every": 3, "name": 7}, "name=7 makes no sense: expected 1 to 200 characters"),
]


@pytest.mark.parametrize(("options", "sentence"), FAULTS, ids=[str(options) for options, _ in FAULTS])
def test_what_makes_no_sense_is_told_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        read_rules("t", options)
    assert str(refused.value) == f"schedule t: {sentence}"


def timing(**options: Any) -> Timing:
    return read_rules("t", options).timing


@pytest.mark.parametrize(
    ("every", "milliseconds"),
    [
        (0.1, 100),
        (0.3, 300),
        ("100ms", 100),
        (1.005, 1005),
        (2.675, 2675),
        ("1h30m", 5_400_000),
        (timedelta(milliseconds=700), 700),
        ("3650d", 315_360_000_000),
    ],
)
def test_intervals_are_whole_milliseconds(every: Any, milliseconds: int) -> None:
    assert timing(every=every) == Timing(every=milliseconds)


@given(st.integers(100, 10**9))
def test_an_interval_of_so_many_milliseconds_is_exact_however_it_is_written(milliseconds: int) -> None:
    for written in (milliseconds / 1000, f"{milliseconds}ms", timedelta(milliseconds=milliseconds)):
        assert timing(every=written).every == milliseconds


def test_floating_intervals_do_not_drift() -> None:
    tenths = timing(every=0.3, stop="1h")
    slot, count = tenths.after(ORIGIN, ORIGIN), 0
    while slot is not None:
        count += 1
        assert slot == ORIGIN + 300 * count
        slot = tenths.after(slot, ORIGIN)
    assert count == 12_000


def test_bounds_are_dates_or_durations() -> None:
    berlin = timing(every=3, start=NOON, stop=NOON.replace(tzinfo=UTC), zone="Europe/Berlin")
    assert (berlin.start, berlin.stop) == (1_751_364_000_000, 1_751_371_200_000), (
        "a date has the schedule's zone, or its own"
    )
    assert timing(every=3, start=datetime.fromtimestamp(1_700_000_000.123, UTC)).start == 1_700_000_000_123
    assert timing(every=3, start=0, stop="10m") == Timing(every=3000, start_in=0, stop_in=600_000)
    assert timing(every=3, stop=3) == Timing(every=3000, stop_in=3000), "once"
    assert timing(every=3, start="1m", stop=0) == Timing(every=3000, start_in=60_000, stop_in=0), "once, too"
    assert timing(cron="@daily", stop=timedelta(days=1)).stop_in == 86_400_000


def test_expressions_are_kept_in_one_form() -> None:
    assert timing(cron="  0   3 * *  * ").cron == "0 3 * * *"
    assert timing(cron="@Daily").cron == timing(cron="@midnight").cron == "0 0 * * *"
    assert timing(cron="*/10 * * * * *").cron == "*/10 * * * * *"
    assert timing(cron="0 3 * * MON", zone=ZoneInfo("Europe/Berlin")).zone == "Europe/Berlin"


def test_policies_and_their_defaults() -> None:
    plain = read_rules("t", {"every": 3})
    assert (plain.name, plain.misfire, plain.grace, plain.overlap) == ("t", Misfire.ONCE, None, Overlap.ALLOW)
    skip = read_rules("t", {"every": 3, "misfire": "Skip", "overlap": Overlap.QUEUE, "name": "other"})
    assert (skip.name, skip.misfire, skip.grace, skip.overlap) == ("other", Misfire.SKIP, 60_000, Overlap.QUEUE)
    assert read_rules("t", {"every": 3, "misfire": Misfire.SKIP, "grace": 0}).grace == 0
    assert read_rules("t", {"every": 3, "grace": "4h"}).grace == 14_400_000


def test_each_option_is_explained() -> None:
    explained = read_rules.__globals__["Rules"].__doc__
    assert [name for name in ScheduleOptions.__annotations__ if f"``{name}``" not in explained] == []


# -- declaring ---------------------------------------------------------------------------------------------------


@task(name="one", priority=3)
def one() -> None: ...


def two(path: object = None) -> None: ...


PICKLED, JSON = (Info(payloads, 1000, 2000) for payloads in ("pickle", "json"))


def test_a_name_stands_for_one_schedule() -> None:
    declared = Declarations()
    declared.add(one, every=3)
    declared.add(one, every=3)
    with pytest.raises(ScheduleError, match="schedule one: another schedule has this name; give one of them a name"):
        declared.add(one, every=4)
    with pytest.raises(ScheduleError, match="another schedule has this name"):
        declared.add(two, every=3, name="one")
    declared.add(one, every=4, name="other")
    assert [plan.name for plan in declared.plans(PICKLED)] == ["one", "other"]


def test_its_task_has_its_own_options_unless_others_are_chosen() -> None:
    declared = Declarations()
    assert declared(every=1)(one) is one
    declared.add(one, every=1, config=TaskConfig(priority=7), name="other")
    declared(every=1, args=(1,), config=TaskConfig(priority=9))(two)
    found = {plan.name: (plan.task.name, plan.task.options.priority) for plan in declared.plans(PICKLED)}
    assert found == {"one": ("one", 3), "other": (f"{__name__}.one", 7), f"{__name__}.two": (f"{__name__}.two", 9)}


@pytest.mark.parametrize(
    ("function", "arguments", "info", "sentence"),
    [
        (
            two,
            {"args": ["x" * 70_000]},
            PICKLED,
            "its arguments take more than 65,536 bytes; name a file or a row instead",
        ),
        (
            two,
            {"args": [(each for each in "")]},
            PICKLED,
            "argument 'path' of task .*two .a generator. cannot be serialised",
        ),
        (
            one,
            {"args": [object()]},
            JSON,
            "argument '0' of task one .a object. cannot be serialised: it has no JSON form",
        ),
        (two, {}, JSON, "takes JSON only .* only functions that are registered run"),
    ],
)
def test_arguments_that_cannot_travel_are_told(
    function: Any, arguments: dict[str, Any], info: Info, sentence: str
) -> None:
    with pytest.raises(ScheduleError, match=f"schedule t: .*{sentence}"):
        declaration(function, arguments, {"every": 3, "name": "t"}).plan(info)


def test_what_cannot_be_scheduled_at_all_is_told() -> None:
    with pytest.raises(TypeError, match="'print' is no function"):
        declaration("print", {}, {"every": 3})  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match=r"args='weekly', kwargs=\{\}: expected a sequence and a mapping"):
        declaration(one, {"args": "weekly"}, {"every": 3})
    with pytest.raises(ScheduleError, match="an eta, which would be the same for each firing; give it a start"):
        declaration(one, {"config": TaskConfig(eta=datetime(2025, 1, 1, tzinfo=UTC))}, {"every": 3})
