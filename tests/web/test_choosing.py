"""What is chosen where a dashboard is made, and what is told where it cannot be made."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from supervisor.web import dashboard


def ask(app: ASGIApp, path: str, **headers: str) -> httpx.Response:
    """A request of a program on this machine."""

    async def inside() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(inside())


def test_metrics_of_a_supervisor_that_does_not_run_say_so(tmp_path: Path) -> None:
    lines = ask(dashboard(dir=tmp_path), "/metrics").text.splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("supervisor_up{")] == ["0.0"]


def test_a_collector_of_metrics_is_plugged_in(tmp_path: Path) -> None:
    async def collect() -> tuple[bytes, str]:
        return b"tasks_total 42\n", "text/plain; version=0.0.4"

    answer = ask(dashboard(dir=tmp_path, metrics=collect), "/metrics")
    assert (answer.text, answer.headers["content-type"]) == (
        "tasks_total 42\n",
        "text/plain; version=0.0.4; charset=utf-8",
    )


@pytest.mark.parametrize("asynchronous", [False, True])
def test_auth_tells_the_role_and_the_name(tmp_path: Path, asynchronous: bool) -> None:
    def told(scope: Any) -> Any:
        name = dict(scope["headers"]).get(b"x-user", b"").decode()
        return ("operator", name) if name == "root" else "viewer" if name else None

    async def told_later(scope: Any) -> Any:
        await asyncio.sleep(0)
        return told(scope)

    app = dashboard(dir=tmp_path, auth=told_later if asynchronous else told)
    assert ask(app, "/api/overview").status_code == 401
    assert ask(app, "/api/session", **{"X-User": "root"}).json()["user"] == "root"
    assert ask(app, "/api/session", **{"X-User": "eve"}).json()["role"] == "viewer"


def test_an_auth_that_tells_nonsense_lets_nobody_in(tmp_path: Path) -> None:
    app = dashboard(dir=tmp_path, auth=lambda scope: "king")
    answer = ask(app, "/api/overview")
    assert (answer.status_code, "expected 'viewer', 'operator' or None" in answer.json()["detail"]) == (500, True)


def test_only_names_that_were_allowed_are_answered(tmp_path: Path) -> None:
    app = dashboard(dir=tmp_path, viewer_password="look", allowed_hosts=("tasks.example.org",))
    for host, status in (("tasks.example.org", 401), ("TASKS.example.org:8443", 401), ("evil.example", 403)):
        assert ask(app, "/api/overview", Host=host).status_code == status


def test_without_its_libraries_the_extra_is_named() -> None:
    code = "import sys; sys.modules['starlette'] = None; from supervisor.web import dashboard"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'gunicorn-supervisor[web]'" in done.stderr


def test_a_place_to_listen_at_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "supervisor", "web", "--dir", str(tmp_path), "--bind", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "expected HOST:PORT" in done.stderr) == (1, True)
