"""What the documentation shows is what happens: its files are written and served, its sessions typed."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import Cause, State
from supervisor.directory import Directory
from supervisor.errors import SupervisorError
from supervisor.master.control import ask
from supervisor.settings import Settings
from supervisor.settings.spec import specs
from supervisor.system import lock, proc
from tests.support.documents import DOCS, README, Session, Step, anchors, blocks, files, links, rows, steps, variables
from tests.support.waiting import until

QUICKSTART = DOCS / "quickstart.md"
FRAMEWORKS = ("FastAPI", "Starlette", "Flask")
INSTALLING = "Install"
each_page = pytest.mark.parametrize("page", [README, *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
_numbers = itertools.count(9000)
_SHELL = """
import doctest, sys
session = doctest.DocTestParser().get_doctest(open(sys.argv[1]).read(), {}, sys.argv[1], None, 0)
sys.exit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session).failed)
"""


class Site:
    """A directory with the files of a page, and a Gunicorn that serves it."""

    def __init__(self, folder: Path, written: dict[str, str]) -> None:
        self.folder = folder
        self.address = f"{ipaddress.ip_address('127.0.0.0') + os.getpid() % 2**24}:{next(_numbers)}"
        self.log = folder / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: set[proc.Identity] = set()
        for name, text in written.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """As a person's, with this Python's programs first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUPERVISOR_", "GUNICORN_"))}
        programs = f"{Path(sys.executable).parent}:{kept['PATH']}"
        return {**kept, "PATH": programs, "PYTHONPATH": str(DOCS.parent), "COLUMNS": "200"}

    def start(self, *arguments: str) -> None:
        """``gunicorn -c gunicorn_config.py``, on an address of our own, until all is ready."""
        command = ["gunicorn", "-c", "gunicorn_config.py", "--bind", self.address, "--no-control-socket", *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(lambda: self._ready() == 2, "two workers that are ready", 30.0)
        self._remember()

    def _ready(self) -> object:
        try:
            return ask(Directory(self.folder / ".supervisor"), "status")["ready"]
        except SupervisorError:
            return 0

    def run(self, command: str) -> subprocess.CompletedProcess[bytes]:
        """Type a command."""
        ours = command.replace("localhost:8000", self.address)
        return subprocess.run(
            ours, shell=True, cwd=self.folder, env=self.environment, capture_output=True, timeout=60, check=False
        )

    def expect(self, text: str) -> None:
        """Type into Python's own shell, as doctest does it; everything must come out as it is shown."""
        path = self.folder / "session.txt"
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", _SHELL, str(path)],
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": f"{self.folder}:{DOCS.parent}"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()

    def _remember(self) -> None:
        master = lock.holder(Directory(self.folder / ".supervisor").lock)
        for root in filter(None, [self.process.pid if self.process else None, master]):
            found = [proc.identity(pid) for pid in [root, *proc.descendants(root)]]
            self._seen.update(who for who in found if who is not None)

    def stop(self) -> int:
        """TERM, and wait until nothing is left; Gunicorn's exit code."""
        assert self.process is not None
        self._remember()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(40.0)
        until(lambda: not any(map(proc.is_alive, self._seen)), "the end of every process", 15.0)
        return code

    def close(self) -> None:
        """End it in any case."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(5.0)
        until(lambda: not any(map(proc.is_alive, self._seen)), "the end of every process", 30.0)


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The quickstart's files, with the application of one framework."""
    framework: str = getattr(request, "param", FRAMEWORKS[0])
    written = files(QUICKSTART, *(other for other in FRAMEWORKS if other != framework))
    if framework == "Flask":
        lines = written["gunicorn_config.py"].splitlines(keepends=True)
        written["gunicorn_config.py"] = "".join(line for line in lines if not line.startswith("worker_class"))
    made = Site(tmp_path, {**written, "myapp/__init__.py": ""})
    yield made
    made.close()


def perform(site: Site, session: Session, step: Step) -> None:
    """Type a command until it prints what the page says; one that changes something only once."""
    command = session.command(step)
    patience = 0.0 if "POST" in command else 20.0
    printed: list[str] = []

    def matches() -> bool:
        printed.append(site.run(command).stdout.decode())
        return session.matches(step, printed[-1])

    try:
        until(matches, f"$ {command}", patience, 0.1)
    except AssertionError:
        pytest.fail(f"$ {command}\nshould print\n{step.output}\nand printed\n{printed[-1]}\n{site.log.read_text()}")


@pytest.mark.parametrize("site", FRAMEWORKS, indirect=True)
def test_the_quickstart_prints_what_it_says(site: Site) -> None:
    site.start()
    session = Session()
    for block in blocks(QUICKSTART):
        if block.language == "console" and block.heading != INSTALLING:
            for step in steps(block.text):
                perform(site, session, step)
    assert site.stop() == 0, site.log.read_text()


def test_the_quickstarts_python_sessions_show_what_they_say(site: Site) -> None:
    site.start()
    site.expect("\n".join(block.text for block in blocks(QUICKSTART) if block.language == "pycon"))
    assert site.stop() == 0, site.log.read_text()


def test_the_readme_shows_what_happens(tmp_path: Path) -> None:
    written = files(README)
    # Three lines for a file that is there already.
    written["gunicorn_config.py"] = 'wsgi_app = "myapp.web:app"\n' + written["gunicorn_config.py"].replace("=4", "=2")
    site = Site(tmp_path, {**written, "myapp/__init__.py": "", "myapp/web.py": "app = lambda environ, start: []\n"})
    try:
        site.start()
        site.expect("\n".join(block.text for block in blocks(README) if block.language == "pycon"))
        assert site.stop() == 0, site.log.read_text()
    finally:
        site.close()


def test_the_journal_is_read_and_copied_as_the_page_says(site: Site) -> None:
    site.start()
    site.expect(">>> from myapp import tasks\n>>> tasks.count_words.delay('a').result(timeout=10)\n{'a': 1}\n")
    (code,) = (block.text for block in blocks(DOCS / "durability.md") if block.language == "python")
    (site.folder / "read.py").write_text(code, encoding="utf-8")
    assert site.run("python read.py").stdout.decode() == "succeeded 1\n"
    with contextlib.closing(sqlite3.connect(site.folder / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT state FROM tasks").fetchall() == [("succeeded",)]
    assert site.stop() == 0, site.log.read_text()


@each_page
def test_every_link_of_the_documentation_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        place = page.parent / target if target else page
        assert place.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(place), f"{target} has no heading for #{anchor}"


@each_page
def test_every_python_block_is_python(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python" and page.name != "api.md":
            compile(block.text, str(page), "exec")


@each_page
def test_every_environment_variable_that_is_written_is_a_setting(page: Path) -> None:
    known = {spec.env for spec in specs(Settings).values()}
    assert set(variables(page)) <= known


def test_every_cause_and_every_state_is_explained() -> None:
    durability, life = (DOCS / name for name in ("durability.md", "how-it-works.md"))
    assert {cause.value for cause in Cause} <= set(rows(durability))
    assert {state.value for state in State} <= set(rows(life))


def test_the_defaults_that_the_budgets_name_are_those_of_the_settings() -> None:
    text = (DOCS / "durability.md").read_text(encoding="utf-8")
    known = specs(Settings)
    for name in ("max_retries", "crash_budget", "abort_budget"):
        assert f"`{name}` ({known[name].default})" in text


def test_every_dependency_says_why_it_is_there() -> None:
    text = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[^\w-]", line)[0] for group in groups for line in group} - {project["name"]}
    assert {name for name in names if not re.search(rf"[\[ ]{name}\b", text)} == set()


def test_gunicorn_reads_the_config_file_of_its_page(site: Site) -> None:
    (site.folder / "gunicorn_config.py").write_text(files(DOCS / "gunicorn.md")["gunicorn_config.py"])
    site.start("-k", "uvicorn_worker.UvicornWorker")
    assert site.stop() == 0, site.log.read_text()
    assert "goodbye" in site.log.read_text()
    assert "call attach last" not in site.log.read_text()
