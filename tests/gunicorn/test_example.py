"""The example application as `scripts/run` serves it: gunicorn_config.py, in the directory of the project."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gunicorn.conftest import MakeServer
from tests.support.server import REPOSITORY, Server
from tests.support.waiting import until

TEXT = b"the quick brown fox\n" * 50_000


@pytest.fixture
def example(make_server: MakeServer) -> Server:
    """It runs, with five task workers and no second run after a crash."""
    server = make_server()
    server.cwd, server.config, server.probe = REPOSITORY, REPOSITORY / "gunicorn_config.py", "/health"
    server.environment = {
        "BIND": f"{server.host}:{server.port}",
        "PROC_NAME": server.name,
        "WORKERS": "2",
        "SUPERVISOR_DIR": str(server.dir),
        "SUPERVISOR_WORKERS": "5",
        "SUPERVISOR_CRASH_BUDGET": "1",
        "SUPERVISOR_NICE": "0",
    }
    server.process = server.run()
    server.wait_ready()
    return server


@pytest.fixture
def browser(example: Server) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=f"http://{example.host}:{example.port}", timeout=30) as client:
        yield client


def submitted(browser: httpx.Client, path: str, **options: Any) -> str:
    """The id of what a POST submits; it is answered before anything has run."""
    answer = browser.post(path, **options)
    assert answer.status_code == 202, answer.text
    found: str = answer.json()["id"]
    return found


def cards(browser: httpx.Client, *ids: str) -> dict[str, Any]:
    """What the page is told of these tasks."""
    found: dict[str, Any] = browser.get("/tasks", params={"ids": ",".join(ids)}).raise_for_status().json()["tasks"]
    return found


def ended(browser: httpx.Client, *ids: str) -> list[Any]:
    """The cards of these tasks when all have ended, and nothing of theirs lives."""

    def found() -> list[Any] | None:
        told = cards(browser, *ids)
        return list(told.values()) if all(card["ended"] and not card["alive"] for card in told.values()) else None

    return until(found, "the end of the tasks", 60.0, 0.05)


def test_a_file_is_compressed_and_a_fractal_is_painted_and_both_can_be_fetched(browser: httpx.Client) -> None:
    assert "<!doctype html>" in browser.get("/").text.lower()
    packed = submitted(browser, "/tasks/compress", params={"name": "fox.txt"}, content=TEXT)
    painted = submitted(browser, "/tasks/render", json={"width": 120, "palette": "moss"})
    file, picture = ended(browser, packed, painted)
    assert file["result"]["sha256"] == hashlib.sha256(TEXT).hexdigest()
    assert (file["result"]["words"], file["result"]["lines"]) == (200_000, 50_000)
    assert zlib.decompress(browser.get(f"/results/{packed}").content, 31) == TEXT
    assert picture["progress"].items() >= {"done": 80.0, "total": 80.0, "message": "row 80 of 80"}.items()
    assert (picture["result"]["view"]["palette"], picture["result"]["view"]["span"]) == ("moss", 3.4)
    assert browser.get(f"/results/{painted}").content.startswith(b"\x89PNG\r\n")


def test_every_bad_citizen_ends_as_its_button_says_while_the_page_answers(browser: httpx.Client) -> None:
    names = ("endless-c-loop", "family", "segfault", "memory-hog", "flaky")
    told = dict(zip(names, ended(browser, *(submitted(browser, f"/tasks/{name}") for name in names)), strict=True))
    assert {name: (card["state"], card["cause"]) for name, card in told.items()} == {
        "endless-c-loop": ("timed_out", "timeout"),
        "family": ("timed_out", "timeout"),
        "segfault": ("lost", "signal"),
        "memory-hog": ("lost", "memory"),
        "flaky": ("succeeded", None),
    }
    assert "loop.py" in told["endless-c-loop"]["error"]["told"]
    assert told["family"]["output"].count("Started process") == 4
    assert told["family"]["alive"] == 0
    assert told["segfault"]["error"]["message"] == "its process was killed by SIGSEGV"
    assert (told["flaky"]["attempt"], told["flaky"]["result"]) == (3, "It went well at attempt 3.")


def test_a_running_task_can_be_cancelled_and_shows_the_attempt_that_was(browser: httpx.Client) -> None:
    task_id = submitted(browser, "/tasks/endless-loop")
    until(lambda: cards(browser, task_id)[task_id]["output"], "a line that it prints", 20.0)
    assert browser.post(f"/tasks/{task_id}/cancel").json() == {"cancelled": True}
    (card,) = ended(browser, task_id)
    assert (card["state"], card["cause"], card["attempt"]) == ("cancelled", "cancelled", 1)


def test_the_dashboard_is_served_beside_it(browser: httpx.Client) -> None:
    painted = submitted(browser, "/tasks/render", json={"width": 120})
    ended(browser, painted)
    assert '<base href="/supervisor/">' in browser.get("/supervisor/").text
    told = browser.get(f"/supervisor/api/tasks/{painted}").json()
    assert (told["live"], told["task"]["state"], told["result"]["value"]["view"]["width"]) == (True, "succeeded", 120)
    assert browser.post(f"/supervisor/api/tasks/{painted}/retry").status_code == 403


def test_what_cannot_be_done_is_told_in_a_sentence(browser: httpx.Client) -> None:
    wrong = {
        browser.post("/tasks/nonsense"): 404,
        browser.post("/tasks/render", content=b"{"): 400,
        browser.post("/tasks/render", json={"width": 1_000_000}): 400,
        browser.post(f"/tasks/{'0' * 32}/cancel"): 404,
        browser.get(f"/results/{'0' * 32}"): 404,
        browser.post("/tasks/segfault", headers={"Sec-Fetch-Site": "cross-site"}): 403,
    }
    assert {answer.status_code: code for answer, code in wrong.items()} == {code: code for code in wrong.values()}
    assert all(answer.json()["error"] for answer in wrong)
    assert cards(browser, "0" * 32) == {"0" * 32: None}


def test_while_the_supervisor_is_away_the_page_says_so(example: Server, browser: httpx.Client) -> None:
    example.stop()
    example.environment["SUPERVISOR_WORKERS"] = "0"
    example.process = example.run()
    until(lambda: "Application startup complete" in example.tail(5), "the web server without a supervisor", 30.0)
    answer = browser.post("/tasks/render", json={})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "does not answer" in answer.json()["error"]
    assert browser.get("/").status_code == 200
