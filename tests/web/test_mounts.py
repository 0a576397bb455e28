"""The dashboard below a path of FastAPI, Flask and Django, under Gunicorn's workers, and behind a proxy's path."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support import seen_tasks, tasks
from tests.support.dashboards import Dashboard
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.web_mounts import PATH
from tests.web.conftest import MakeDashboard

UVICORN = "uvicorn_worker.UvicornWorker"
APPLICATIONS = {
    "fastapi": ("fastapi_app", UVICORN, True),
    "django-asgi": ("django_asgi", UVICORN, True),
    "flask-sync": ("flask_app", "sync", False),
    "flask-gthread": ("flask_app", "gthread", False),
    "django-sync": ("django_wsgi", "sync", False),
}
OPERATOR = {"X-Role": "operator"}


@pytest.fixture(scope="module", params=APPLICATIONS)
def mount(
    request: pytest.FixtureRequest, make_shared: MakeDashboard, shared_tree: RunningTree
) -> tuple[Dashboard, bool]:
    """A dashboard inside an application, under Gunicorn; and whether its event streams stay open."""
    application, worker, stays = APPLICATIONS[request.param]
    command = [
        "-m",
        "gunicorn",
        "--workers",
        "1",
        "--threads",
        "2",
        "--worker-class",
        worker,
        "--preload",
        "--bind",
        "{bind}",
    ]
    command += ["--no-control-socket"] if _has_control_socket() else []
    return make_shared_mount(make_shared, shared_tree, command, application), stays


def make_shared_mount(
    make_shared: MakeDashboard, shared_tree: RunningTree, command: list[str], application: str
) -> Dashboard:
    return make_shared(
        shared_tree.dir,
        {"GUNICORN_CMD_ARGS": ""},
        *command,
        f"tests.support.web_mounts:{application}()",
        path=PATH,
    )


def _has_control_socket() -> bool:
    from gunicorn.config import KNOWN_SETTINGS  # noqa: PLC0415

    return any(each.name == "control_socket_disable" for each in KNOWN_SETTINGS)


def test_the_application_itself_answers_as_before(mount: tuple[Dashboard, bool]) -> None:
    site, _ = mount
    assert httpx.get(site.url.removesuffix(PATH) + "/").json() == {"page": "own"}


def test_pages_and_files_are_relative_to_the_mount(mount: tuple[Dashboard, bool]) -> None:
    site, _ = mount
    for view in ("/", "/tasks", "/tasks/0192"):
        answer = httpx.get(f"{site.url}{view}", headers=OPERATOR)
        assert (answer.status_code, f'<base href="{PATH}/">' in answer.text) == (200, True)
    assert httpx.get(f"{site.url}/static/shell.html", headers=OPERATOR).status_code == 200
    document = httpx.get(f"{site.url}/openapi.json", headers=OPERATOR).json()
    assert document["servers"] == [{"url": PATH}]


def test_the_applications_own_sign_in_decides_who_may_what(
    mount: tuple[Dashboard, bool], shared_tree: RunningTree
) -> None:
    site, _ = mount
    with httpx.Client(base_url=site.url, timeout=20.0) as client:
        assert client.get("/api/overview").status_code == 401
        assert client.get("/api/overview", headers={"X-Role": "viewer"}).json()["live"] is True
        token = client.get("/api/session", headers=OPERATOR).json()["csrf"]
        task_id = tasks.noop.on(shared_tree.queue).options(delay=600).delay().id
        path = f"/api/tasks/{task_id}/cancel"
        assert client.post(path, headers={"X-Role": "viewer", "X-CSRF-Token": token}).status_code == 403
        assert client.post(path, headers=OPERATOR).status_code == 403
        done = client.post(path, headers={**OPERATOR, "X-CSRF-Token": token})
        assert (done.status_code, done.json()["done"]) == (200, True)
        assert shared_tree.queue.state(task_id) == "cancelled"
        problem = client.get(f"/api/tasks/{'f' * 32}", headers=OPERATOR).json()
        assert problem["instance"] == f"{PATH}/api/tasks/{'f' * 32}"


def test_event_streams_work_or_end_once_they_have_told_what_is_new(
    mount: tuple[Dashboard, bool], shared_tree: RunningTree
) -> None:
    site, stays = mount
    task_id = seen_tasks.count.on(shared_tree.queue).delay(3).id
    ended(shared_tree.queue, task_id)
    with httpx.Client(base_url=site.url, timeout=20.0, headers=OPERATOR) as client:
        assert client.get("/api/session").json()["streams"] is stays
        with client.stream("GET", "/api/events") as answer:
            told: list[str] = []
            for line in answer.iter_lines():
                told.append(line)
                if stays and line.startswith("data: "):
                    break
        assert json.loads(next(line for line in told if line.startswith("data: "))[6:])["live"] is True
        assert "retry: 2000" in told
        assert client.get(f"/api/tasks/{task_id}/progress/events").text.count("event: end") == 1
        assert client.get(f"/api/tasks/{task_id}/logs/events").text.count("event: end") == 1


def test_gunicorn_does_not_wait_for_those_who_listen(make_shared: MakeDashboard, shared_tree: RunningTree) -> None:
    command = ["-m", "gunicorn", "--workers", "1", "--worker-class", UVICORN, "--bind", "{bind}"]
    command += ["--no-control-socket"] if _has_control_socket() else []
    site = make_shared_mount(make_shared, shared_tree, command, "fastapi_app")
    client = httpx.Client(base_url=site.url, timeout=30.0, headers=OPERATOR)
    with client, client.stream("GET", "/api/events") as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event: ")) == "event: overview"
        assert site.stop(15.0) == 0, "its graceful timeout is 30 s"
        with suppress(httpx.RemoteProtocolError):  # it is cut off, upon which browsers come again
            list(lines)


def test_a_path_that_only_a_proxy_knows_is_in_the_page(
    make_shared: MakeDashboard, shared_tree: RunningTree, tmp_path: Path
) -> None:
    bind = "--bind"
    site = Dashboard(tmp_path, shared_tree.dir)
    command = ["-m", "supervisor", "web", bind, f"127.0.0.1:{site.port}", "--root-path", "/behind"]
    try:
        site.start(*command)
        assert '<base href="/behind/">' in httpx.get(f"{site.url}/").text
    finally:
        site.stop()
