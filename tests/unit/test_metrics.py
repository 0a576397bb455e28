"""From what was counted to metrics: exact counts, an end to the labels, counters that never fall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.broker.__main__ import open_service
from supervisor.broker.commits import Commits
from supervisor.broker.gauging import MOST_QUEUES, MOST_TASKS
from supervisor.broker.service import Service
from supervisor.core.histogram import LEAST, MOST, bound, places
from supervisor.core.moment import Moment
from supervisor.core.tallies import OTHER
from supervisor.core.tally import Spread, Tally
from supervisor.errors import SettingsError
from supervisor.ids import new_id
from supervisor.journal.journal import Durability, Journal
from supervisor.metrics import bounds, catalogue
from supervisor.metrics.bounds import Buckets
from supervisor.metrics.records import Seen
from supervisor.metrics.text import text_of
from supervisor.scoreboard import Scoreboard
from supervisor.settings import Settings
from supervisor.states import State
from supervisor.wire.figures import BrokerFigures, QueueRow, TaskRow, TimesRow
from supervisor.wire.messages import Submission
from supervisor.wire.options import Options
from tests.support.documents import DOCS
from tests.support.scraping import Scraped

NOW = Moment(1000.0, 1e9)
VALUES = st.lists(st.floats(0, MOST / 2), max_size=200)


def below(values: list[float], buckets: Buckets) -> list[int]:
    return [sum(value < float(end) for value in values) for end, _ in buckets]


@given(VALUES, st.sampled_from([bounds.TIMES, bounds.LATENESS]))
def test_each_bound_has_exactly_what_lies_below_it(values: list[float], chosen: range) -> None:
    found = bounds.by_place(places(values), chosen)
    assert [count for _, count in found] == below(values, found)
    assert found[-1] == ("+Inf", len(values))


@given(st.lists(st.integers(0, 10**11), max_size=100))
def test_so_has_each_bound_of_the_commits(nanoseconds: list[int]) -> None:
    commits = Commits()
    for each in nanoseconds:
        commits.add(each)
    found = bounds.by_bits(commits.counts)
    assert [count for _, count in found] == below([each / 1e9 for each in nanoseconds], found)
    assert commits.total_ns == sum(nanoseconds)


def test_the_bounds_reach_from_what_is_seen_to_what_is_late() -> None:
    for chosen, least, most in ((bounds.TIMES, 2e-4, 86400), (bounds.LATENESS, 1e-3, 30)):
        ends = [bound(place) for place in chosen]
        assert ends[0] <= least
        assert ends[-1] >= most
        assert all(later / former < 2.2 for former, later in pairwise(ends))


@given(st.lists(st.one_of(st.floats(LEAST, 1e6), st.just("turn")), max_size=60))
def test_what_was_ever_timed_never_falls(steps: list[float | str]) -> None:
    spread = Spread()
    ever: list[tuple[int, float]] = [(0, 0.0)]
    for step in steps:
        if isinstance(step, float):
            spread.new.append(step)
        else:
            spread.turn_over()
        spread.sort_in()
        ever.append((spread.ever.total(), spread.ever_total))
    assert ever == sorted(ever)
    assert ever[-1][0] == sum(isinstance(step, float) for step in steps)


def test_a_counter_begins_at_zero_with_each_broker() -> None:
    tally = Tally("q", "n")
    tally.succeeded, tally.ended, tally.causes = 5, Counter(failed=2), Counter(exception=3)
    tally.ran(1.0)
    restored = Tally("q", "n")
    restored.restore(tally.keep(NOW), NOW)
    restored.restore(tally.keep(NOW), NOW)  # as the others together are: several at once
    assert restored.all_ended() == {"succeeded": 10, "failed": 4}
    assert (set(restored.ended_since_start().values()), set(restored.causes_since_start().values())) == ({0}, {0})
    assert restored.run.ever.total() == 0
    restored.succeeded += 1
    restored.ended["lost"] += 2
    assert {state: count for state, count in restored.ended_since_start().items() if count} == {
        "succeeded": 1,
        "lost": 2,
    }


# -- an end to the labels ----------------------------------------------------------------------------------------


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A broker's, with a journal in memory."""
    journal, board = Journal(tmp_path / "journal.db", Durability.OFF), Scoreboard.create()
    yield open_service(journal, Settings(dir=tmp_path, durability="off"), board, now=NOW)
    journal.close()


def figures(service: Service) -> BrokerFigures:
    found = service.gauging.figures(None, None)  # type: ignore[arg-type]  # nobody has asked over a connection
    assert isinstance(found, BrokerFigures)
    return found


def end_one(service: Service, name: str, queue: str = "default") -> None:
    agenda = service.book.agenda
    task_id = new_id()
    agenda.submit(Submission(task_id, name, b"", Options(queue=queue)), NOW)
    service.book.cancel(task_id, NOW)
    agenda.take_changes(NOW)


def test_ten_thousand_names_are_counted_whole_with_few_labels(service: Service) -> None:
    for number in range(10_000):
        end_one(service, f"name-{number}")
    found = figures(service).tasks
    assert len(found) == MOST_TASKS + 1
    assert sum(row.ended["cancelled"] for row in found) == 10_000
    assert [row.name for row in found[:2]] == ["name-0", "name-1"]
    assert {(row.queue, row.name) for row in found} >= {(OTHER, OTHER)}


def test_who_is_told_apart_stays_so_and_no_count_falls(service: Service) -> None:
    before: dict[tuple[str, str], int] = {}
    for number in range(3 * MOST_TASKS):
        end_one(service, f"name-{number % (2 * MOST_TASKS)}")
        if number % 50:
            continue
        now = {(row.queue, row.name): row.ended.get("cancelled", 0) for row in figures(service).tasks}
        assert all(now[pair] >= count for pair, count in before.items())
        before = now


def test_there_is_an_end_to_the_queues_too(service: Service) -> None:
    for number in range(3 * MOST_QUEUES):
        service.book.agenda.submit(Submission(new_id(), "n", b"", Options(queue=f"queue-{number}")), NOW)
    service.book.agenda.pause(f"queue-{3 * MOST_QUEUES - 1}", paused=True)
    found = figures(service).queues
    assert len(found) == MOST_QUEUES + 1
    assert sum(row.ready for row in found) == 3 * MOST_QUEUES
    others = next(row for row in found if row.name == OTHER)
    assert (others.ready, others.paused) == (2 * MOST_QUEUES, True)


# -- words -------------------------------------------------------------------------------------------------------


def test_labels_of_any_text_are_written_so_that_they_are_read_as_they_were() -> None:
    name = 'a "quoted" name\\ with\na line and é'
    times = TimesRow({}, 0.0)
    queue = QueueRow(name, 1, 0, 0, 0, 0, 0, 2.5, False)
    task = TaskRow(name, name, {"succeeded": 3}, {}, times, times)
    broker = BrokerFigures("1", "3", "3", True, 10, 0, [task], [queue], [0] * 64, 0)
    found = Scraped(text_of(Seen(directory=name, broker=broker)).decode())
    assert found.value("tasks_total", queue=name, task=name, outcome="succeeded", dir=name) == 3
    assert found.value("queue_oldest_age_seconds", queue=name) == 2.5
    assert found.value("tasks_total", outcome="expired") == 0


def test_every_state_in_which_a_task_ends_is_an_outcome() -> None:
    times = TimesRow({}, 0.0)
    broker = BrokerFigures("1", "3", "3", True, 10, 0, [TaskRow("q", "n", {}, {}, times, times)], [], [0] * 64, 0)
    found = Scraped(text_of(Seen(directory="d", broker=broker)).decode())
    assert {each.labels["outcome"] for each in found.named("tasks_total")} == {
        state.value for state in State if state.ended
    }


def test_names_follow_the_conventions() -> None:
    for family in catalogue.families():
        assert (family.kind is catalogue.Kind.COUNTER) == family.name.endswith("_total")
        assert not family.name.endswith(("_milliseconds", "_ms", "_kilobytes", "_percent"))
        assert family.says.endswith(".")


def test_the_page_has_the_table_of_all_metrics() -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert catalogue.table() in page, "out of date: run scripts/metrics-reference"


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (9464, "127.0.0.1:9464"),
        ("9464", "127.0.0.1:9464"),
        (" localhost:9464 ", "127.0.0.1:9464"),
        ("127.3.2.1:1", "127.3.2.1:1"),
        ("[::1]:65535", "[::1]:65535"),
        ("none", None),
    ],
)
def test_an_address_of_this_machine_is_taken(tmp_path: Path, written: object, read: str | None) -> None:
    settings = Settings.load(attach={"metrics_listen": written}, environ={}, directory=tmp_path).settings
    assert settings.metrics_listen == read
    assert Settings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    "written",
    ["0.0.0.0:9464", "[::]:9464", "10.0.0.1:9464", "example.org:9464", "127.0.0.1", "127.0.0.1:0", "1:2:3", 0, True],
)
def test_any_other_is_refused(tmp_path: Path, written: object) -> None:
    with pytest.raises(SettingsError, match="only this machine reaches"):
        Settings.load(attach={"metrics_listen": written}, environ={}, directory=tmp_path)


@pytest.mark.parametrize("written", ["metrics.prom", "/var/lib/metrics", "", 7])
def test_a_file_that_the_node_exporter_does_not_read_is_refused(tmp_path: Path, written: object) -> None:
    with pytest.raises(SettingsError, match=r"ends in \.prom"):
        Settings.load(attach={"metrics_file": written}, environ={}, directory=tmp_path)
