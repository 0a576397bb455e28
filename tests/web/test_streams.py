"""Server-sent events over real HTTP: live figures, lines and progress, for any number who listen."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from tests.support import seen_tasks, talking_tasks, tasks
from tests.support.dashboards import OPERATOR, Client, Dashboard
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until
from tests.web.conftest import MakeDashboard


class Stream:
    """Events as they come, read in a thread."""

    def __init__(self, answer: httpx.Response) -> None:
        self.events: list[tuple[str, Any, str]] = []
        """Name, data, id."""
        self.closed = False
        self._answer = answer
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        event: dict[str, str] = {}
        try:
            for line in self._answer.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                elif "data" in event:
                    self.events.append((event["event"], json.loads(event["data"]), event.get("id", "")))
                    event = {}
        except (httpx.HTTPError, httpx.StreamError, OSError):
            pass  # it was closed
        self.closed = True

    def of(self, name: str) -> list[Any]:
        """The data of the events of one name."""
        return [data for each, data, _ in list(self.events) if each == name]

    def first(self, name: str, suits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first event of a name that suits."""
        return until(lambda: [each for each in self.of(name) if suits(each)], f"an event {name}", 20.0)[0]

    def end(self) -> None:
        """Wait until the server has closed it."""
        until(lambda: self.closed, "the end of the stream", 20.0)


@contextmanager
def listening(url: str, path: str, **headers: str) -> Iterator[Stream]:
    client = httpx.Client(base_url=url, auth=("tester", OPERATOR), timeout=httpx.Timeout(20.0, read=60.0))
    with client, client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


def has(word: str, line: dict[str, Any]) -> bool:
    return word in line["message"]


def test_the_overview_is_told_again_as_it_changes(guarded: Dashboard, shared_tree: RunningTree, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with listening(guarded.url, "/api/events") as stream:
        assert stream.first("overview")["live"] is True
        handle = tasks.wait_for_file.on(shared_tree.queue).delay(str(gate))
        stream.first("overview", lambda told: told["workers"]["busy"] >= 1)
        stream.first("workers", lambda told: any(each["tasks"] for each in told["workers"]))
        gate.touch()
        handle.result(timeout=10)
        before = len(stream.of("overview"))
        until(lambda: stream.of("overview")[before:], "one more", 10.0)


def test_lines_come_while_a_task_says_them_and_none_comes_twice_to_who_comes_again(
    guarded: Dashboard, shared_tree: RunningTree, tmp_path: Path
) -> None:
    task_id = talking_tasks.say_when_told.on(shared_tree.queue).delay(str(tmp_path), ["one", "two", "three"]).id
    path = f"/api/tasks/{task_id}/logs/events"
    with listening(guarded.url, path) as first, listening(guarded.url, path) as second:
        for number, word in enumerate(["one", "two", "three"]):
            (tmp_path / word).touch()
            numbers = [stream.first("line", partial(has, word))["number"] for stream in (first, second)]
            assert numbers == [number, number]
        (tmp_path / "end").touch()
        first.first("end")
        first.end()
        second.end()
        assert len(first.of("line")) == len(second.of("line"))
    with listening(guarded.url, path, **{"Last-Event-ID": "0"}) as again:
        again.first("end")
        assert [line["number"] for line in again.of("line")] == [1, 2]


def test_progress_comes_as_it_goes_on_and_ends_with_the_task(guarded: Dashboard, shared_tree: RunningTree) -> None:
    task_id = seen_tasks.count.on(shared_tree.queue).delay(20).id
    with listening(guarded.url, f"/api/tasks/{task_id}/progress/events") as stream:
        assert stream.first("end")["percent"] == 100.0
        assert stream.of("progress")[-1]["state"] == "succeeded"
        stream.end()


def test_fifty_who_listen_cost_one_look_a_second(
    guarded: Dashboard, operator: Client, shared_tree: RunningTree
) -> None:
    with listening(guarded.url, "/api/events") as first:
        first.first("overview")
        streams = [listening(guarded.url, "/api/events") for _ in range(50)]
        opened = [each.__enter__() for each in streams]
        try:
            for stream in opened:
                stream.first("overview")
            ats = [{told["at"] for told in stream.of("overview")} for stream in opened]
            everybody = sorted(set.union(*ats) | {told["at"] for told in first.of("overview")})
            # Each tells of a look; had each listener looks of its own, they would be fifty in a second.
            assert all(later - earlier > 0.5 for earlier, later in pairwise(everybody))
        finally:
            for each in streams:
                each.__exit__(None, None, None)


def test_streams_of_tasks_that_nobody_knows_are_refused(operator: Client) -> None:
    for path in ("logs", "progress"):
        assert operator.http.get(f"/api/tasks/{'0' * 32}/{path}/events").status_code == 404


def test_a_dashboard_that_is_stopped_does_not_wait_for_those_who_listen(
    make_shared: MakeDashboard, shared_tree: RunningTree
) -> None:
    site = make_shared(shared_tree.dir, {"SUPERVISOR_WEB_PASSWORD": OPERATOR})
    with listening(site.url, "/api/events") as stream:
        stream.first("overview")
        assert site.stop(10.0) in (0, -15)
        stream.end()


def test_lines_go_on_when_the_broker_was_killed(guarded: Dashboard, shared_tree: RunningTree, tmp_path: Path) -> None:
    task_id = talking_tasks.say_when_told.on(shared_tree.queue).delay(str(tmp_path), ["one", "two"]).id
    with listening(guarded.url, f"/api/tasks/{task_id}/logs/events") as stream:
        (tmp_path / "one").touch()
        stream.first("line", lambda line: "one" in line["message"])
        os.kill(shared_tree.pid_of("broker"), signal.SIGKILL)
        (tmp_path / "two").touch()
        stream.first("line", lambda line: "two" in line["message"])
        (tmp_path / "end").touch()
        stream.first("end")
        assert len(stream.of("line")) == len({line["number"] for line in stream.of("line")})
    ended(shared_tree.queue, task_id)
