"""Metrics under Gunicorn: shown by the tree that it starts, and no longer true when it is gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.gunicorn.conftest import MakeServer
from tests.support.scraping import Scraped
from tests.support.waiting import until


def test_the_file_of_a_gunicorn_that_was_killed_says_that_its_supervisor_is_down(
    make_server: MakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "supervisor.prom"
    server = make_server(metrics_file=str(path), metrics_interval=1)
    server.start()
    assert server.result(server.submit("add", 1, 1)) == 2

    def told() -> Scraped | None:
        return Scraped(path.read_text()) if path.exists() else None

    def counted() -> bool:
        found = told()
        return found is not None and found.by("outcome", "tasks_total") == {"succeeded": 1}

    until(counted, "the file", 20)
    assert any("supervisor: metrics" in title for title in server.titles())
    os.kill(server.pid, signal.SIGKILL)

    def down() -> bool:
        found = told()
        return found is not None and found.value("up") == 0 and not any(found.named("tasks_total"))

    until(down, "the file to say so", 30)
