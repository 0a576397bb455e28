"""Submitting by name from web workers that never import the tasks, across a reload of the code."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.gunicorn.conftest import MakeServer
from tests.support.server import UVICORN, RefusedError, Server

GREETER = """
from supervisor import queue

@queue.register_handler("greet", priority=3)
def greet(data):
    return "{word} " + data["whom"]
"""
SECOND = """
@queue.register_handler("part")
def part(data):
    return "Goodbye"
"""


def enqueue(server: Server, name: str, **data: object) -> str:
    """Have a web worker submit by name; the id of the task."""
    found: str = server.get("/enqueue", name=name, data=json.dumps(data))["id"]
    return found


@pytest.mark.parametrize("worker_class", ["sync", UVICORN], ids=["sync", "uvicorn"])
def test_a_web_worker_that_imports_no_tasks_asks_for_their_names(
    make_server: MakeServer, tmp_path: Path, worker_class: str
) -> None:
    server = make_server(worker_class=worker_class, tasks=("greeter", "tests.support.tasks"))
    server.write("greeter.py", GREETER.format(word="Hello"))
    server.start()
    assert server.result(enqueue(server, "greet", whom="ann")) == "Hello ann"
    with pytest.raises(RefusedError, match=r"registered as 'gret': did you mean 'greet'\?"):
        enqueue(server, "gret", whom="ann")
    with pytest.raises(RefusedError, match="registered as 'part'"):
        enqueue(server, "part")

    # Kept busy, the old code is still there when the new one is: it must not get what it does not know.
    flag = tmp_path / "flag"
    busy = server.submit("wait_for_file", str(flag))
    server.write("greeter.py", GREETER.format(word="Good day") + SECOND)
    before = server.queue.stats().pid
    server.send(signal.SIGHUP)
    flag.touch()
    server.wait_ready(generation=2)
    assert server.result(busy) == "seen"
    assert server.result(enqueue(server, "part")) == "Goodbye"
    assert server.result(enqueue(server, "greet", whom="ann")) == "Good day ann"
    assert server.queue.stats().pid == before, "it is the same broker, which has learnt the new names"

    server.write("greeter.py", GREETER.format(word="Hi"))
    server.send(signal.SIGHUP)
    server.wait_ready(generation=3)
    with pytest.raises(RefusedError, match="registered as 'part'"):
        enqueue(server, "part")
