"""Why a task that is queued is not handed out, as far as it is not just its turn to come."""

from __future__ import annotations

from collections.abc import Iterator

from supervisor.cli.reach import queue_of
from supervisor.errors import QueueUnavailableError
from supervisor.records import TaskRecord
from supervisor.states import State

_SECONDS = 2.0


def reasons(chosen: str | None, record: TaskRecord) -> list[str]:
    """Sentences that name the remedy; none where nothing holds it up, or it does not wait for a worker."""
    return list(_look(chosen, record)) if record.state is State.QUEUED else []


def _look(chosen: str | None, record: TaskRecord) -> Iterator[str]:
    with queue_of(chosen, _SECONDS) as queue:
        try:
            rows, accepting = queue.queues(), queue.is_accepting()
        except QueueUnavailableError:
            yield "no supervisor answers; it is taken up by the next that starts"
            return
    if any(row["paused"] for row in rows if row["name"] == record.queue):
        yield f"the queue {record.queue} is paused; `supervisor resume {record.queue}` goes on with it"
    if not accepting:
        yield "the queue was drained, and nothing is handed out; `supervisor drain --open` goes on"
