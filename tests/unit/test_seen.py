"""What is seen of a task, as far as no process is needed: contexts, rates, letters, hidden arguments, hooks."""

from __future__ import annotations

import sqlite3
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import HIDDEN, NameTakenError, Progress, TaskConfig, TaskOptionError, capture, captured, task_hooks
from supervisor.core import notes
from supervisor.core.internal import INTERNAL, ON_DEATH
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.speed import Speed
from supervisor.hidden import by_name
from supervisor.ids import new_id
from supervisor.journal import contexts
from supervisor.journal.journal import Durability, Journal
from supervisor.journal.migrate import APPLICATION_ID
from supervisor.journal.statements import SCHEMA, read
from supervisor.task_hooks import Point
from supervisor.wire.options import NO_OPTIONS, Options
from supervisor.wire.talk import Kind, Letters, TalkBuffer, letter

KEYS = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=3).map(".".join)
PLAIN = st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


# -- contexts ----------------------------------------------------------------------------------------------------


@given(puts=st.lists(st.tuples(KEYS, PLAIN), max_size=10))
def test_what_was_put_in_last_is_there_and_nothing_is_changed_in_place(puts: list[tuple[str, Any]]) -> None:
    context: notes.Notes = {}
    for path, value in puts:
        before = repr(context)
        try:
            changed = notes.put(context, path, value)
        except ValueError:
            names = path.split(".")
            assert any(notes.get(context, ".".join(names[:count])) is not None for count in range(1, len(names)))
        else:
            assert notes.get(changed, path) == value
            assert repr(context) == before
            context = changed


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
def test_a_key_has_no_empty_parts(path: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        notes.put({}, path, 1)


def test_of_what_does_not_go_together_the_first_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", Durability.NORMAL)
    connection = journal._connection
    contexts.put(connection, 1, [("a", 5), ("a.b", 6), ("c.d", [1])])
    assert journal.context(1) == b'{"a":5,"c":{"d":[1]}}'
    contexts.put(connection, 1, [("large", "x" * 70_000)])
    assert journal.context(1) == b'{"a":5,"c":{"d":[1]}}', "too much is left out"
    assert journal.context(2) == b""
    journal.close()


# -- progress ----------------------------------------------------------------------------------------------------


@given(rate=st.floats(0.001, 1e6), step=st.floats(0.1, 100.0), count=st.integers(2, 400))
def test_a_steady_task_has_its_rate(rate: float, step: float, count: int) -> None:
    speed = Speed()
    assert speed.add(0.0, 0.0) is None, "one report tells no rate"
    found = [speed.add(number * step, number * step * rate) for number in range(1, count)]
    assert all(each == pytest.approx(rate, rel=1e-6) for each in found)


def test_a_rate_is_of_late_and_begins_anew_where_the_work_does() -> None:
    speed = Speed()
    for second in range(100):
        speed.add(float(second), second * 1000.0)  # fast
    done = 99_000.0
    rates = [speed.add(100.0 + second, done + second) for second in range(60)]  # slow, from then on
    assert rates[-1] == pytest.approx(1.0)
    assert speed.add(200.0, 0.0) is None, "another part of the work"
    assert speed.add(201.0, 7.0) == 7.0


def test_rare_reports_count_however_old() -> None:
    speed = Speed()
    speed.add(0.0, 0.0)
    assert speed.add(3600.0, 1.0) == pytest.approx(1 / 3600)


def test_an_estimate_needs_a_total_and_a_rate() -> None:
    assert Progress(5, 10, rate=2.0, updated_at=100.0).remaining == 2.5
    assert Progress(5, 10, rate=2.0, updated_at=100.0).estimated_at == 102.5
    assert Progress(5, 10, updated_at=100.0).estimated_at is None
    assert Progress(5, None, rate=2.0, updated_at=100.0).remaining is None
    assert Progress(10, 10, updated_at=100.0).estimated_at == 100.0


# -- letters -----------------------------------------------------------------------------------------------------


@given(sizes=st.lists(st.integers(0, 20_000), min_size=1, max_size=8), data=st.data())
def test_letters_of_many_writers_are_put_together_whole(sizes: list[int], data: st.DataObject) -> None:
    texts = [bytes([65 + place]) * size for place, size in enumerate(sizes)]
    waiting = [letter(Kind.CONTEXT, 7, text) for text in texts]
    stream = b""
    while any(waiting):
        chosen = data.draw(st.sampled_from([frames for frames in waiting if frames]))
        frame = chosen.pop(0)
        assert len(frame) <= 4096, "one atomic write"
        stream += frame
    letters = Letters()
    found = [letters.add(said.data) for said in TalkBuffer().feed(stream)]
    assert sorted(each for each in found if each is not None) == sorted(texts)


def test_a_letter_whose_beginning_was_lost_is_none() -> None:
    letters = Letters()
    parts = [said.data for frame in letter(Kind.CONTEXT, 7, b"x" * 10_000) for said in TalkBuffer().feed(frame)]
    assert [letters.add(part) for part in parts[1:]] == [None] * (len(parts) - 1)
    whole = [said.data for frame in letter(Kind.CONTEXT, 7, b"y" * 10_000) for said in TalkBuffer().feed(frame)]
    assert [letters.add(part) for part in whole][-1] == b"y" * 10_000


# -- hidden arguments --------------------------------------------------------------------------------------------


def test_arguments_by_name() -> None:
    def function(user: str, password: str, *rest: int, token: str = "", **more: int) -> None: ...

    hidden = ("password", "token", "extra")
    found = by_name(function, ("ann", "secret", 1, 2), {"token": "secret", "extra": 5, "other": 6}, hidden)
    assert found == {
        "user": "ann",
        "password": HIDDEN,
        "rest": (1, 2),
        "token": HIDDEN,
        "extra": HIDDEN,
        "other": 6,
    }
    assert by_name(function, (), {"password": "secret"}, hidden) == {"password": HIDDEN}, "though it does not fit"
    assert by_name(function, ("ann",), {"password": "secret", "user": "eve"}, hidden)["0"] == HIDDEN
    assert by_name(None, ("ann", "secret"), {"token": "secret"}, ("token",)) == {
        "0": HIDDEN,
        "1": HIDDEN,
        "token": HIDDEN,
    }
    assert by_name(None, ("ann",), {}, ()) == {"0": "ann"}
    assert by_name(None, (), {"data": {"password": "secret", "a": 1}}, hidden) == {"data": {"password": HIDDEN, "a": 1}}
    assert repr(HIDDEN) == "<hidden>"


def test_the_names_of_hidden_arguments_travel_with_a_task() -> None:
    assert TaskConfig(hidden="password").wire == Options(hidden=("password",))
    assert TaskConfig(hidden=["a", "b"]).wire.hidden == ("a", "b")
    assert TaskConfig().wire == NO_OPTIONS
    for nonsense in (5, "", ["a", 5], [""]):
        with pytest.raises(TaskOptionError, match="a name, or several of them"):
            TaskConfig(hidden=nonsense)  # type: ignore[arg-type]


# -- hooks, variables, settings ----------------------------------------------------------------------------------


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers in this process is gone after it."""
    monkeypatch.setattr(task_hooks, "_hooks", {point: {} for point in Point})
    monkeypatch.setattr(captured, "_captured", {})


@pytest.mark.usefixtures("clean")
def test_a_module_that_is_imported_once_more_registers_no_second_hook() -> None:
    def imported() -> Any:
        def hook(task: object) -> None: ...

        return task_hooks.on_death(hook)

    imported()
    last = imported()
    assert task_hooks.hooks(Point.DEATH) == [last]
    assert task_hooks.wanted() == [ON_DEATH]
    assert not task_hooks.creating()
    assert not task_hooks.running()


@pytest.mark.usefixtures("clean")
def test_what_is_captured_has_a_name_of_its_own() -> None:
    first: ContextVar[int] = ContextVar("a name")
    capture(first)
    capture(first)
    assert captured.values() is None, "it is not set"
    with pytest.raises(NameTakenError):
        capture(ContextVar("a name"))
    with pytest.raises(TypeError, match="is no ContextVar"):
        capture(5)  # type: ignore[arg-type]


def test_what_is_profiled_follows_the_setting_unless_chosen() -> None:
    kinds = Kinds(Defaults(profile=True))
    assert kinds.get("a", NO_OPTIONS).profile
    assert not kinds.get("a", TaskConfig(profile=False).wire).profile
    assert not Kinds(Defaults()).get("a", NO_OPTIONS).profile
    assert [kinds.get(name, NO_OPTIONS).internal for name in ("a", *INTERNAL)] == [False, True, True]


# -- the journal of the version before ---------------------------------------------------------------------------


def test_progress_from_before_is_that_of_the_last_attempt(tmp_path: Path) -> None:
    path, task_id = tmp_path / "journal", new_id()
    before = sqlite3.connect(path)
    before.executescript(
        f"{SCHEMA}{read('step_2.sql')}PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 2;"
    )
    before.execute(
        "INSERT INTO tasks (seq, id, name, state, priority, generation, lease, worker, pid, failures, crashes, aborts,"
        " files, created_at, started_at, options, payload) VALUES (1, ?, 'a', 'running', 0, 1, 9, 1, 5, 0, 0, 0, 0, 10,"
        " 11, '{}', '')",
        (task_id,),
    )
    before.execute("INSERT INTO progress VALUES (1, 2.0, 4.0, 'half')")
    before.commit()
    before.close()
    journal = Journal(path, Durability.NORMAL)
    row = journal.task(task_id, with_result=False)
    assert row is not None
    assert row.progress is not None
    assert (row.progress.done, row.progress.total, row.progress.message, row.progress.at) == (2.0, 4.0, "half", 11.0)
    journal.close()
