"""Lists of a large journal: whatever is asked, the pages together are what a walk through all rows finds."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from supervisor.ids import ordered_id, to_text
from supervisor.journal import history
from supervisor.journal.history import History
from supervisor.journal.migrate import migrate
from supervisor.states import State
from supervisor.web import dead_list, deaths
from supervisor.web.listing import Scan
from supervisor.web.wanted import MOST_SEQ, DeadQuery, Filter

COUNT = 20_000
NOW = time.time()
DAY = 86400.0


def fill(path: Path) -> list[dict[str, Any]]:
    """Tasks of the last day with gaps between their numbers; the rows."""
    chance = random.Random(7)
    rows: list[dict[str, Any]] = []
    with closing(sqlite3.connect(path)) as connection:
        migrate(connection)
        seq = 0
        for number in range(COUNT):
            seq += 1 if chance.random() < 0.9 else chance.randrange(1, 5000)
            at = NOW - DAY + DAY * number / COUNT
            state = chance.choices(["succeeded", "failed", "queued", "lost"], [90, 5, 4, 1])[0]
            row = {
                "seq": seq,
                "id": ordered_id(int((at + chance.uniform(-1, 1)) * 1000), chance.getrandbits(74)),
                "name": chance.choice(["shop.mail", "shop.report", "media.encode"]),
                "queue": chance.choice(["default", "mail"]),
                "state": state,
                "created_at": at,
                "ended_at": None if state == "queued" else at + 5,
                "failures": int(state in ("failed", "lost")),
                "message": f"reason {chance.randrange(100)}" if state in ("failed", "lost") else "",
            }
            rows.append(row)
        connection.executemany(
            "INSERT INTO tasks (seq, id, name, state, priority, generation, lease, worker, pid, failures, crashes,"
            " aborts, files, created_at, started_at, ended_at, options, payload, queue)"
            " VALUES (:seq, :id, :name, :state, 0, 1, :seq, 1, 77, :failures, 0, 0, 0,"
            " :created_at, :created_at, :ended_at, '{}', x'00', :queue)",
            rows,
        )
        dead = [row for row in rows if row["failures"]]
        connection.executemany(
            "INSERT INTO attempts VALUES (:seq, :seq, 1, 1, 77, :created_at, :ended_at,"
            " CASE :state WHEN 'lost' THEN 'signal' ELSE 'exception' END, 'ValueError', :message, '', NULL)",
            dead,
        )
        connection.executemany("INSERT INTO dead_letters VALUES (:ended_at, :id, :name)", dead)
        connection.execute("INSERT INTO open_blocks SELECT DISTINCT seq >> 10 FROM tasks WHERE ended_at IS NULL")
        connection.commit()
    return rows


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    path = tmp_path_factory.mktemp("listing") / "journal.db"
    return path, fill(path)


@pytest.fixture
def opened(journal: tuple[Path, list[dict[str, Any]]]) -> Iterator[History]:
    with history.read(journal[0]) as found:
        yield found


def walked(opened: History, wanted: Filter, most: int, seconds: float = 0.08) -> list[str]:
    found: list[str] = []
    before: int | None = MOST_SEQ
    while before is not None:
        page = Scan(opened, wanted).page(before, most, seconds)
        assert len(page.tasks) <= most
        assert page.before is None or page.before < before
        found += [line.id for line in page.tasks]
        before = page.before
    return found


CASES: dict[str, tuple[Filter, Any]] = {
    "all": (Filter(), lambda row: True),
    "states": (Filter(state=(State.FAILED, State.LOST)), lambda row: row["state"] in ("failed", "lost")),
    "waiting": (Filter(state=(State.QUEUED,)), lambda row: row["state"] == "queued"),
    "mixed": (Filter(state=(State.QUEUED, State.LOST)), lambda row: row["state"] in ("queued", "lost")),
    "queue": (Filter(queue="mail", name="shop.mail"), lambda row: (row["queue"], row["name"]) == ("mail", "shop.mail")),
    "pattern": (Filter(name="shop.[mr]*"), lambda row: row["name"].startswith("shop.")),
    "since": (Filter(since=NOW - 3600), lambda row: row["created_at"] >= NOW - 3600),
    "span": (
        Filter(since=NOW - 7200, until=NOW - 3600, state=(State.QUEUED,)),
        lambda row: NOW - 7200 <= row["created_at"] <= NOW - 3600 and row["state"] == "queued",
    ),
    "until": (Filter(until=NOW - DAY + 60), lambda row: row["created_at"] <= NOW - DAY + 60),
    "before all": (Filter(until=NOW - 2 * DAY), lambda row: False),
    "after all": (Filter(since=NOW + DAY), lambda row: False),
    "message": (Filter(search="REASON 42"), lambda row: row["message"] == "reason 42"),
    "in the name": (
        Filter(search="Media", state=(State.LOST,)),
        lambda row: row["name"] == "media.encode" and row["state"] == "lost",
    ),
    "nothing": (Filter(queue="nobody"), lambda row: False),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("most", "seconds"), [(500, 0.08), (7 * 13, 0.0)])
def test_the_pages_together_are_all_that_match_the_latest_first(
    opened: History, journal: tuple[Path, list[dict[str, Any]]], case: str, most: int, seconds: float
) -> None:
    wanted, suits = CASES[case]
    expected = [to_text(row["id"]) for row in reversed(journal[1]) if suits(row)]
    assert walked(opened, wanted, most, seconds) == expected


def test_a_page_that_ran_out_of_time_says_down_to_when_it_has_searched(
    opened: History, journal: tuple[Path, list[dict[str, Any]]]
) -> None:
    page = Scan(opened, Filter(queue="nobody")).page(MOST_SEQ, 50, seconds=0.0)
    assert page.tasks == []
    assert page.before is not None
    (expected,) = [row["created_at"] for row in journal[1] if row["seq"] == page.before]
    assert page.searched_until == expected


def test_a_pattern_that_would_take_others_years_takes_no_time(opened: History) -> None:
    begin = time.monotonic()
    assert walked(opened, Filter(name="*a" * 100 + "b"), 50) == []
    assert time.monotonic() - begin < 5.0


@pytest.mark.parametrize("limit", [3, 500])
def test_dead_letters_come_page_by_page_the_latest_end_first(
    opened: History, journal: tuple[Path, list[dict[str, Any]]], limit: int
) -> None:
    expected = [to_text(row["id"]) for row in reversed(journal[1]) if row["failures"] and row["name"] == "shop.mail"]
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = dead_list.page(opened, DeadQuery(name="shop.mail", limit=limit, cursor=cursor))
        found += [each.id for each in page.tasks]
        cursor = page.cursor
        if cursor is None or len(found) > 60 * limit:
            break
    assert found == expected[: len(found)]
    assert cursor is not None or found == expected
    assert {each.error_type for each in page.tasks} <= {"ValueError"}


def test_deaths_of_workers_come_page_by_page(opened: History, journal: tuple[Path, list[dict[str, Any]]]) -> None:
    expected = [to_text(row["id"]) for row in reversed(journal[1]) if row["state"] == "lost"]
    found: list[str] = []
    before: int | None = MOST_SEQ
    while before is not None:
        page = deaths.page(opened, before, 10)
        found += [each.task_id for each in page.deaths]
        before = page.before
    assert found == expected
