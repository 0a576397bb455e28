"""What the page is told about one task: its record as plain data, cut to what a card can show."""

import anyio
import msgspec

from docs.examples.tasks import LIMITS, family
from supervisor import ErrorInfo, TaskRecord

SHOWN = 6000
"""Characters of output and of a stack that are sent; the end of each, which is where the news is."""


async def card(record: TaskRecord) -> dict[str, object]:
    """The record of a task as data for JSON; times in seconds since 1970."""
    return {
        "id": record.id,
        "name": record.name,
        "state": record.state,
        "ended": record.state.ended,
        "attempt": record.attempt,
        "worker": record.worker,
        "limit": LIMITS.get(record.name),
        "created_at": record.created_at,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "cause": record.cause,
        "error": _error(record.error),
        "output": record.output[-SHOWN:],
        "progress": msgspec.to_builtins(record.progress),
        "result": msgspec.to_builtins(record.result),
        "alive": await anyio.to_thread.run_sync(family.alive, record.id) if record.name == "family" else None,
    }


def _error(error: ErrorInfo | None) -> dict[str, str] | None:
    if error is None:
        return None
    told = (error.stack or error.traceback or "")[-SHOWN:]
    return {"type": error.type, "message": error.message, "told": told}
