"""What comes after an error, by the task's own word: another attempt, or the end."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from supervisor.errors import TaskError, TaskTimeoutError, WorkerLostError
from supervisor.ids import to_text
from supervisor.policy import NO_POLICY, Policy, Reject, Retry
from supervisor.wire.messages import Grant, KillData


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether another attempt is wanted, and in how many seconds, where that was said."""

    again: bool
    retry_in: float | None = None


def decide(policy: Policy, error: BaseException, ask: Callable[[BaseException], object]) -> Answer:
    """The answer to an error: its own first, then that of its type, then the handler's, which ``ask`` asks.

    A handler that raises has not answered. Its traceback is printed, so it stands in the task's output, and the usual
    rule holds: another attempt.
    """
    match error:
        case Retry():
            return Answer(again=True, retry_in=error.in_)
        case Reject():
            return Answer(again=False)
    if policy.forbids(type(error)) or policy.error_handler is None:
        return Answer(again=not policy.forbids(type(error)))
    try:
        return Answer(again=bool(ask(error)))
    except (Retry, Reject) as answer:
        return decide(NO_POLICY, answer, ask)
    except BaseException:  # noqa: BLE001  whatever a handler raises, the task must not be lost over it
        traceback.print_exc()
        return Answer(again=True)


def kill_error(grant: Grant, kill: KillData) -> TaskError:
    """A kill as the exception that stands for it."""
    task_id = to_text(grant.id)
    if kill.timed_out:
        return TaskTimeoutError(task_id, kill.timeout, kill.stack)
    return WorkerLostError(task_id, kill.message)
