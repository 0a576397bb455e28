"""Handlers and tasks with names of their own, for the tests of what goes by name and as JSON."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from typing import Any

from supervisor import current_task, queue, task

Data = dict[str, Any]


@queue.register_handler("send_email", timeout=20, priority=7, max_retries=1, retry_delay=0.0)
def send_email(data: Data) -> Data:
    """What it was given, and as what it runs."""
    return {"data": data, "name": current_task().name, "attempt": current_task().attempt}


def count(data: Data) -> int:
    """How many items."""
    return len(data)


queue.register_handler("count", count)


@queue.register_handler("send_invoice", max_retries=5, retry_delay=0.0)
def send_invoice(data: Data) -> None:
    """Fails, always."""
    raise ValueError(f"attempt {current_task().attempt}")


@queue.register_handler("repeat")
def repeat(data: str) -> str:
    """As long as it is told."""
    return data * 2


@queue.register_handler("never_again", never_retry_on=LookupError, max_retries=9, retry_delay=0.0)
def never_again(data: Data) -> None:
    """Fails, once."""
    raise KeyError("no")


@queue.register_handler("die_once", error_handler=lambda task_id, error, attempt: False, crash_budget=9)
def die_once(data: Data) -> None:
    """Dies; its handler is asked, and wants no more of it."""
    os.kill(os.getpid(), signal.SIGKILL)


@task(name="total")
def total(left: int, right: int = 0) -> int:
    return left + right


@task(name="identity")
def identity(value: object = None) -> object:
    return value


@task(name="now")
def now() -> datetime:
    return datetime(2024, 2, 29, 12, tzinfo=UTC)


@task(name="no_json")
def no_json() -> object:
    return object()


def unregistered() -> str:
    return "ran"
