"""The fixtures for pytest, in a pytest of its own that found the plugin by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.system import proc
from tests.support.waiting import until

pytest_plugins = ["pytester"]
TASKS = """
import os
from supervisor import queue, task

@task
def pid(): return os.getpid()

@task(max_retries=1, retry_delay=60)
def fail(): raise ValueError

@queue.register_handler("greet")
def greet(data): return "hello " + data["to"]
"""
INI = """
[pytest]
filterwarnings = error
addopts = --strict-markers
supervisor_tasks = app_tasks
"""

QUICK = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio", "xdist", "timeout")]
"""Without the plugins that take long to be imported."""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(app_tasks=TASKS)
    pytester.makefile(".ini", pytest=INI)
    pytester.syspathinsert()
    return pytester


def test_a_queue_in_the_tests_own_process(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import os
        from datetime import UTC, datetime, timedelta

        import pytest
        import supervisor
        from app_tasks import fail, pid

        pytestmark = pytest.mark.supervisor(at=datetime(2030, 1, 1, tzinfo=UTC), max_retries=7)

        def test_it_is_the_ready_queue(supervisor_queue):
            handle = pid.delay()
            assert handle.state() == "queued"
            assert supervisor_queue.run_until_idle() == 1
            assert handle.result() == os.getpid()

        def test_each_test_has_its_own(supervisor_queue):
            assert supervisor_queue.stats().total.ended == {}
            assert supervisor_queue.clock.now == datetime(2030, 1, 1, tzinfo=UTC)

        @pytest.mark.supervisor(eager=True)
        def test_the_markers_add_up(supervisor_queue):
            handle = fail.delay()
            assert handle.state() == "retrying"
            supervisor_queue.clock.advance(timedelta(minutes=1))
            supervisor_queue.run_until_idle()
            assert handle.state() == "failed"
            assert supervisor_queue.clock.now.year == 2030

        @pytest.mark.supervisor(tasks="no_such_module")
        def test_another_module_can_be_named(supervisor_queue):
            raise AssertionError("not reached")
        """)
    result = project.runpytest_subprocess(*QUICK)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*No module named 'no_such_module'*"])


def test_a_real_small_tree(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import os

        import pytest
        import supervisor
        from app_tasks import pid

        @pytest.mark.supervisor(eager=True, workers=1)
        def test_tasks_run_elsewhere(supervisor_tree, tmp_path):
            assert supervisor_tree.directory == tmp_path / "supervisor"
            with open("pids", "w") as file:
                file.write(str(pid.delay().result(timeout=30)))
            assert len(supervisor_tree.workers()) == 1
            assert supervisor_tree.wait(supervisor.queue.enqueue("greet", {"to": "eve"}), 30).result == "hello eve"
        """)
    result = project.runpytest_subprocess(*QUICK)
    result.assert_outcomes(passed=1)
    worker = int(Path("pids").read_text())
    until(lambda: proc.identity(worker) is None, "the tree to end with its test")


def test_who_does_not_use_it_has_nothing_of_it_imported(project: pytest.Pytester) -> None:
    project.makepyfile("""
        import sys

        def test_nothing_of_it_is_imported():
            assert "supervisor.testing.plugin" in sys.modules, "pytest has found it by itself"
            ours = {name for name in sys.modules if name.split(".")[0] == "supervisor"}
            assert ours == {"supervisor", "supervisor.testing", "supervisor.testing.plugin"}
        """)
    project.runpytest_subprocess(*QUICK).assert_outcomes(passed=1)
