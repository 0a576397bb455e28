"""The pages of docs/coming-from, walked as they stand there: their files served by a real Gunicorn, their scripts run
beside it, their commands typed.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

import supervisor
from supervisor import CurrentTask, Handle, State, TaskConfig, TaskQueue, TaskRecord
from supervisor.cli.commands import cli
from supervisor.settings import Settings
from supervisor.settings.spec import specs
from tests.conftest import MakeTree
from tests.support.documents import DOCS, Session, assembled, blocks, column, rows, scripts, steps
from tests.support.script import run_script
from tests.support.site import Site, perform

PAGES = DOCS / "coming-from"
FACTORY = "myapp.web:create_app()"


@contextmanager
def walked(name: str, folder: Path, *arguments: str) -> Iterator[Site]:
    """Serve a page's files, run its scripts and type its commands; then whatever the test adds."""
    page = PAGES / name
    # Tasks of the lowest niceness would starve where the machine is busy with other tests.
    site = Site(folder, {**assembled(page), "myapp/__init__.py": ""}, SUPERVISOR_CPUS="off")
    try:
        site.start("--workers", "1", *arguments)
        site.script("".join(scripts(page)))
        session = Session()
        for block in blocks(page):
            if block.language == "console":
                for step in steps(block.text):
                    perform(site, session, step)
        yield site
        assert site.stop() == 0, site.log.read_text()
    finally:
        site.close()


def commands(name: str, program: str) -> list[str]:
    """The command lines of a page that begin with a program."""
    texts = [block.text for block in blocks(PAGES / name) if block.language == "text"]
    return [line for text in texts for line in text.splitlines() if line.startswith(f"{program} ")]


def test_eagle(tmp_path: Path) -> None:
    with walked("eagle.md", tmp_path, FACTORY) as site:
        for command in commands("eagle.md", "gunicorn"):
            done = site.run(f"WORKERS=1 TIMEOUT=120; {command} --check-config")
            assert done.returncode == 0, done.stderr.decode()


def test_eagles_unit_is_that_of_the_page_about_gunicorn() -> None:
    (ours,) = (block.text for block in blocks(PAGES / "eagle.md") if block.language == "ini")
    (theirs,) = (block.text for block in blocks(DOCS / "gunicorn.md") if block.language == "ini")
    alike = ("Type=", "ExecReload=", "KillMode=", "TimeoutStopSec=", "OOMPolicy=", "Restart=")
    assert [line for line in ours.splitlines() if line.startswith(alike)] == [
        line for line in theirs.splitlines() if line.startswith(alike)
    ]
    assert f'gunicorn -c gunicorn_config.py "{FACTORY}"' in commands("eagle.md", "gunicorn")
    assert f'/gunicorn -c gunicorn_config.py "{FACTORY}"\n' in ours


def test_catzilla(tmp_path: Path) -> None:
    with walked("catzilla.md", tmp_path):
        pass


def test_pacificpy(tmp_path: Path) -> None:
    with walked("pacificpy.md", tmp_path):
        pass


def test_fastedgy(tmp_path: Path) -> None:
    with walked("fastedgy.md", tmp_path):
        pass


def test_intracker(tmp_path: Path) -> None:
    with walked("intracker.md", tmp_path):
        pass


def test_others(make_tree: MakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, folder = PAGES / "others.md", tmp_path / "tree"
    for name, text in {**assembled(page), "myapp/__init__.py": ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(DOCS.parent), os.environ.get("PYTHONPATH", "")]))
    run_script(make_tree(tasks="myapp.tasks", cpus="off"), "".join(scripts(page)), timeout=100.0)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_what_the_tables_name_is_there(page: Path) -> None:
    things = {"queue": TaskQueue, "TaskQueue": TaskQueue, "handle": Handle, "current_task()": CurrentTask}
    words = {*supervisor.__all__, *vars(TaskConfig), *vars(TaskRecord), *specs(Settings), *vars(TaskQueue)}
    words |= {state.value for state in State} | {
        "b",
        "Depends",
        "in_",
        "step",
        "delay_seconds",
        "cron",
        "every",
        "queue",
        "limit_key",
    }
    words |= {"capture", "follow", "stack", "error", "result", "status", "eager"} | set(dir(TaskQueue))
    words |= {spec.env for spec in specs(Settings).values()}
    count = 0
    for code in column(page, "here"):
        for thing, name in re.findall(r"(queue|TaskQueue|handle|current_task\(\))\.(\w+)", code):
            assert hasattr(things[thing], name), code
            count += 1
        for name in [*re.findall(r"[\w.]*?(\w+)=", code), *re.findall(r"^\w+$", code)]:
            assert name in words, code
            count += 1
    assert count >= 5, "they are found"


def test_the_states_are_all_in_the_table() -> None:
    assert rows(PAGES / "README.md") == [state.value for state in State]


def test_nothing_can_be_set_about_polling() -> None:
    assert [
        name for name in specs(Settings) if "poll" in name or ("interval" in name and not name.startswith("metrics"))
    ] == []


def test_the_defaults_are_those_that_fastedgys_and_intrackers_tables_name() -> None:
    known = (DOCS / "settings.md").read_text(encoding="utf-8")
    text = (PAGES / "fastedgy.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `QUEUE_\w+` \| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE)
    assert len(named) == 4
    for variable, default in named:
        assert f"| `{variable}` | `{default}` |" in known
    settings = Settings()
    assert (settings.record_ttl, settings.result_ttl, settings.max_retries) == (24 * 3600, 7 * 24 * 3600, 3)
    assert (settings.retry_delay, settings.backoff, settings.retry_jitter) == (1, 2, 1)
    assert (settings.timeout, settings.queue_limit, settings.backlog_threshold) == (300, 1_000_000, 1000)


@pytest.mark.parametrize("page", sorted(page.name for page in PAGES.glob("*.md")))
def test_the_commands_of_the_pages_are_commands(page: str) -> None:
    codes = [code for code in column(PAGES / page, "here") if code.startswith("supervisor ")]
    for line in [*codes, *commands(page, "supervisor")]:
        _, name, *arguments = shlex.split(line)
        found = cli.get_command(click.Context(cli), name)
        assert found is not None
        assert found.make_context(name, arguments).params
