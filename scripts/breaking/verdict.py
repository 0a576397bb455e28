"""What must be true at the end of a chaos run, whatever was killed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from scripts.breaking import tasks
from supervisor import TaskQueue

_TRIGGER = """
CREATE TABLE IF NOT EXISTS chaos_ended_twice (seq INTEGER);
CREATE TRIGGER IF NOT EXISTS chaos_watch AFTER UPDATE OF state ON tasks WHEN OLD.ended_at IS NOT NULL
BEGIN INSERT INTO chaos_ended_twice VALUES (OLD.seq); END;
"""


def watch(journal: Path) -> None:
    """Have the journal itself note every task whose end is written a second time."""
    with closing(sqlite3.connect(journal, timeout=10)) as connection:
        connection.executescript(_TRIGGER)


def accepted(folder: Path) -> dict[str, tuple[str, int]]:
    """What was accepted: kind and number by id."""
    found: dict[str, tuple[str, int]] = {}
    path = folder / "accepted"
    for line in path.read_text().splitlines() if path.exists() else []:
        task_id, kind, number = line.split()
        found[task_id] = kind, int(number)
    return found


def judge_tasks(folder: Path, queue: TaskQueue) -> list[str]:
    """What is wrong with the tasks; empty for nothing."""
    wrong: list[str] = []
    runs = Counter(line.split()[0] for line in (folder / "runs").read_text().splitlines())
    for task_id, (kind, number) in accepted(folder).items():
        record = queue.get_result(task_id)
        if record is None:
            wrong.append(f"{kind} {number} ({task_id}) is lost: nobody knows it")
            continue
        wanted = tasks.KINDS[kind][1]
        if record.state.value != wanted:
            wrong.append(f"{kind} {number} ({task_id}) is {record.state.value}, not {wanted}: {record.error}")
        elif wanted == "succeeded" and record.result != tasks.value_of(number):
            wrong.append(f"{kind} {number} ({task_id}) came to {record.result!r}")
        if runs[task_id] < 1:
            wrong.append(f"{kind} {number} ({task_id}) has ended and never run")
        if runs[task_id] > tasks.attempts_allowed(kind):
            wrong.append(f"{kind} {number} ({task_id}) has run {runs[task_id]} times")
    return wrong


def judge_journal(journal: Path) -> list[str]:
    """What is wrong with the journal; empty for nothing."""
    wrong: list[str] = []
    with closing(sqlite3.connect(journal, timeout=10)) as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchall()
        if sound != [("ok",)]:
            wrong.append(f"the journal is damaged: {sound[:3]}")
        (unfinished,) = connection.execute("SELECT count(*) FROM tasks WHERE ended_at IS NULL").fetchone()
        if unfinished:
            wrong.append(f"{unfinished} tasks have not ended")
        (twice,) = connection.execute("SELECT count(*) FROM chaos_ended_twice").fetchone()
        if twice:
            wrong.append(f"{twice} tasks have ended twice")
    return wrong


def judge_folder(folder: Path) -> list[str]:
    """What is wrong with what is left lying about; empty for nothing."""
    wrong: list[str] = []
    for name in ("queue.sock", "control.sock"):
        if (folder / "sv" / name).exists():
            wrong.append(f"{name} is left")
    if (folder / "crowded").exists():
        wrong.append("two tasks with one limit ran at once")
    path = folder / "faults.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    wrong += [f"a submitter saw {line}" for line in lines if line.startswith("UNDOCUMENTED")]
    return wrong
