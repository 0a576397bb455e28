"""A tiny web application, once for WSGI and once for ASGI: submits tasks, asks after them, says who it is."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from supervisor import Task, TaskRecord, queue
from supervisor.errors import SupervisorError

STARTED = time.time()
Query = dict[str, str]
Scope = MutableMapping[str, Any]


def task_of(query: Query) -> tuple[Task[..., Any], list[Any]]:
    """The task that ``task=module:name`` names (the module may be left out), and its arguments."""
    module, _, name = query["task"].rpartition(":")
    found: Task[..., Any] = getattr(importlib.import_module(module or "tests.support.tasks"), name)
    return found, json.loads(query.get("args", "[]"))


def plain(record: TaskRecord | None) -> dict[str, object] | None:
    """A record as JSON can hold it."""
    if record is None:
        return None
    return {"id": record.id, "state": record.state.value, "attempt": record.attempt, "result": record.result}


def who(query: Query) -> object:
    """This web worker."""
    return {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "dir": str(queue.directory),
        "uid": os.getuid(),
    }


def submit(query: Query) -> object:
    """Submit, and answer with the id."""
    task, args = task_of(query)
    return {"id": task.delay(*args).id, "pid": os.getpid()}


def enqueue(query: Query) -> object:
    """Submit by name, in a process that may know nothing of it; the id."""
    return {"id": queue.enqueue(query["name"], json.loads(query.get("data", "{}"))), "pid": os.getpid()}


def record(query: Query) -> object:
    """How a task fares."""
    return plain(queue.get_result(query["id"]))


def wait(query: Query) -> object:
    """Wait for a task here, in the web worker."""
    return plain(queue.wait(query["id"], timeout=float(query.get("timeout", "30"))))


def fork(query: Query) -> object:
    """Submit and wait in a child of this web worker, after the parent has used its own connection."""
    queue.stats()
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        task, args = task_of(query)
        os.write(theirs, json.dumps({"pid": os.getpid(), "result": task.delay(*args).result(timeout=30)}).encode())
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        told: dict[str, object] = json.loads(pipe.read())
    os.waitpid(pid, 0)
    return {**told, "ready": queue.stats().ready}


CALLS: dict[str, Callable[[Query], object]] = {
    "/who": who,
    "/submit": submit,
    "/enqueue": enqueue,
    "/record": record,
    "/wait": wait,
    "/fork": fork,
}


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """The WSGI application."""
    try:
        status, answer = "200 OK", CALLS[environ["PATH_INFO"]](dict(parse_qsl(environ["QUERY_STRING"])))
    except SupervisorError as error:
        status, answer = "503 Service Unavailable", {"error": str(error)}
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def asubmit(query: Query) -> object:
    """:func:`submit` without blocking the loop."""
    task, args = task_of(query)
    return {"id": (await task.adelay(*args)).id, "pid": os.getpid()}


async def aenqueue(query: Query) -> object:
    """:func:`enqueue` without blocking the loop."""
    return {"id": await queue.aenqueue(query["name"], json.loads(query.get("data", "{}"))), "pid": os.getpid()}


async def arecord(query: Query) -> object:
    """:func:`record` without blocking the loop."""
    return plain(await queue.aget_result(query["id"]))


async def await_(query: Query) -> object:
    """:func:`wait` without blocking the loop."""
    return plain(await queue.await_(query["id"], timeout=float(query.get("timeout", "30"))))


ASYNC_CALLS: dict[str, Callable[[Query], Awaitable[object]]] = {
    "/submit": asubmit,
    "/enqueue": aenqueue,
    "/record": arecord,
    "/wait": await_,
}


async def asgi(scope: Scope, receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
    """The ASGI application."""
    if scope["type"] != "http":
        raise NotImplementedError("there is nothing to do at startup and shutdown")
    path, query = scope["path"], dict(parse_qsl(scope["query_string"].decode()))
    try:
        answer = await ASYNC_CALLS[path](query) if path in ASYNC_CALLS else CALLS[path](query)
        status = 200
    except SupervisorError as error:
        status, answer = 503, {"error": str(error)}
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
