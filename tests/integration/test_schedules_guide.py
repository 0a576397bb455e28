"""The examples of docs/schedules.md, run as they stand there."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import pytest

from supervisor import MissCause
from supervisor.schedule_options import ScheduleOptions
from tests.conftest import MakeTree
from tests.support.documents import DOCS, rows
from tests.support.guides import unpack
from tests.support.script import run_script

GUIDE = DOCS / "schedules.md"
END = """
from supervisor import queue
found = {each.name: each for each in queue.schedules()}
assert list(found) == ["daily report", "myapp.tasks.clean_up", "watch the start", "weekly report"], list(found)
watch, weekly = found["watch the start"], found["weekly report"]
assert round(watch.stop - watch.next_at, 3) % 10 == 0
assert watch.stop - watch.next_at <= 590
assert not weekly.paused
"""


def test_the_examples_run(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = unpack(GUIDE, tmp_path, monkeypatch)
    tree = make_tree(tasks="myapp.tasks", cpus="off")
    assert len(scripts) == 3
    told = [run_script(tree, script) for script in (*scripts, END)]
    assert re.search(r"^weekly report 0 6 \* \* MON 1\d{9}\.0 False 0 None$", told[1], re.MULTILINE), told[1]


def test_every_option_has_its_row() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert sorted(rows(GUIDE)) == sorted(typing.get_type_hints(ScheduleOptions))
    for default in ("`once`", "`allow`", "`UTC`"):
        assert re.search(rf"\| {default} \|$", text, re.MULTILINE)


def test_every_cause_of_a_miss_is_told() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert re.findall(r"^\* `(\w+)`: ", text, re.MULTILINE) == [cause.value for cause in MissCause]
