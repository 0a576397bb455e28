"""Every error that this package raises on purpose: one base class, one sentence each.

The sentence is built in the class, so that it reads the same wherever the error is raised, and it names the fault
and the remedy. Errors that cross the wire travel as their class name and the arguments of their constructor, all
plain data (see :mod:`supervisor.wire.remote`).
"""

from __future__ import annotations


class SupervisorError(Exception):
    """Base class of every error raised by this package."""


class SettingsError(SupervisorError):
    """Settings that cannot be used; one sentence a fault."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


class UnreadableFileError(SupervisorError):
    """A file of the deployment, or a unit of systemd, that does not say what it is asked for."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} cannot be read: {why}")


class MissingExtraError(SupervisorError, ImportError):
    """A part of the package whose libraries are not installed."""

    def __init__(self, part: str, extra: str, module: str) -> None:
        self.extra = extra
        super().__init__(
            f"{part} needs the extra {extra!r}, and there is no module {module!r}: run"
            f" pip install 'gunicorn-supervisor[{extra}]'"
        )


class AlreadyRunningError(SupervisorError):
    """A second supervisor was started on a directory that has one."""

    def __init__(self, directory: str, holder: int | None) -> None:
        who = f"process {holder}" if holder else "another process"
        super().__init__(
            f"a supervisor already runs on {directory} ({who} owns it); stop it, or give this one"
            " another directory (--dir, SUPERVISOR_DIR)"
        )


class LocalTreeError(SupervisorError):
    """A supervisor of this process's own did not get ready."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the local supervisor could not be started: {reason}")


class QueueUnavailableError(SupervisorError):
    """No supervisor answered within the time allowed."""

    def __init__(self, directory: str, reason: str) -> None:
        self.directory = directory
        self.reason = reason
        super().__init__(
            f"the supervisor of {directory} does not answer: {reason}; see `supervisor status --dir {directory}`"
        )


class QueueClosedError(SupervisorError):
    """The queue no longer accepts work: it was drained or closed."""

    def __init__(self, reason: str = "it is being drained") -> None:
        super().__init__(f"the queue accepts no work: {reason}")


class QueueDrainingError(QueueClosedError):
    """The queue was drained, and takes nothing in until it is opened again."""

    def __init__(self) -> None:
        super().__init__("it was drained; `supervisor drain --open` or TaskQueue.open() opens it again")


class TooManyWaitingError(SupervisorError):
    """A task wanted to wait for another one, while as many do as may: it might wait for ever."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"{limit:,} tasks wait for other tasks already, each with a worker more for the time being, and there may"
            " be no more (max_waiting): submit what is to follow instead of waiting for it, or raise max_waiting"
        )


class QueueFullError(SupervisorError):
    """The queue holds as many unfinished tasks as it may; ``queue`` names the one that does, where it is only one."""

    def __init__(self, limit: int, queue: str | None = None) -> None:
        self.limit = limit
        self.queue = queue
        which, setting = ("the queue", "queue_limit") if queue is None else (f"the queue {queue!r}", "queue_limits")
        super().__init__(f"{which} is full: it holds {limit:,} unfinished tasks; try again later or raise {setting}")


class JournalFullError(SupervisorError):
    """The journal could not be written, as a rule because the disk is full; nothing was accepted."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the journal cannot be written ({reason}), so nothing was accepted; make room and submit again"
        )


class JournalError(SupervisorError):
    """A journal that cannot be used as it is."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the journal {path} cannot be used: {reason}")


class MessageTooLargeError(SupervisorError):
    """A message over the size that the other side accepts."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a message of {size:,} bytes is over the limit of {limit:,}; pass large data by file")


class BadRequestError(SupervisorError):
    """The broker could not make sense of a request."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the broker refused the request: {reason}")


class UnknownTaskError(SupervisorError):
    """No task has this id, or it ended so long ago that its record is gone."""

    def __init__(self, task_id: str, reason: str = "the id is wrong, or its record has expired") -> None:
        self.task_id = task_id
        super().__init__(f"there is no task {task_id}: {reason}")


class UnknownFunctionError(SupervisorError):
    """A worker found no function under the name that a task was submitted with."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the workers know no task {name!r} ({reason}); name its module in `tasks`")


class UnknownHandlerError(SupervisorError):
    """Nothing is registered under the name that something was to be submitted to."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        self.name = name
        self.nearest = nearest
        hint = f"did you mean {nearest!r}?" if nearest else "register it in a module that is named in `tasks`"
        super().__init__(f"no task or handler is registered as {name!r}: {hint}")


class NameTakenError(SupervisorError):
    """Two functions were registered under one name."""

    def __init__(self, name: str, first: str, second: str) -> None:
        super().__init__(f"{first} and {second} are both registered as {name!r}; give one of them another name")


class PayloadRefusedError(SupervisorError):
    """What was to cross, or has crossed, is no JSON, and the supervisor takes nothing else."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} is refused, for this supervisor takes JSON only (payloads = json): {reason}")


class SerializationError(SupervisorError):
    """Something that has to cross a process boundary cannot be serialised."""

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        super().__init__(f"{what} cannot be serialised: {reason}")


class TaskOptionError(SupervisorError):
    """A task option with a value that makes no sense."""

    def __init__(self, option: str, value: object, expected: str) -> None:
        super().__init__(f"{option}={value!r} makes no sense: expected {expected}")


class KeyHeldError(SupervisorError):
    """A task cannot be taken up again while another task holds its unique key."""

    def __init__(self, task_id: str, key: str, holder: str) -> None:
        self.task_id = task_id
        self.key = key
        self.holder = holder
        super().__init__(
            f"task {task_id} cannot run again now: task {holder} holds its unique key {key!r};"
            " retry it when that has ended"
        )


class TaskNeededError(SupervisorError):
    """A task cannot be taken up again while an unfinished task goes by how it ended."""

    def __init__(self, task_id: str, child: str) -> None:
        self.task_id = task_id
        self.child = child
        super().__init__(
            f"task {task_id} cannot run again now: task {child}, a child of it that has not ended, goes by how it"
            " ended; retry it when that has ended, or cancel that one"
        )


class UnknownGroupError(SupervisorError):
    """No group has this id, or the records of its members are gone."""

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        super().__init__(f"there is no group {group_id}: the id is wrong, or the records of its members have expired")


class DependencyCycleError(SupervisorError):
    """Steps that wait for each other in a circle: none of them could ever start."""

    def __init__(self, members: list[str]) -> None:
        self.members = list(members)
        way = " waits for ".join([*self.members, self.members[0]]) if self.members else ""
        super().__init__(f"these steps wait for each other in a circle: {way}; nothing was submitted")


class DeadlockError(SupervisorError):
    """A task was about to wait for a task that waits for it; ``members`` are those between, in order."""

    def __init__(self, waiter: str, task_id: str, members: list[str]) -> None:
        self.waiter = waiter
        self.task_id = task_id
        self.members = list(members)
        way = " waits for ".join(self.members)
        super().__init__(f"task {waiter} cannot wait for task {task_id}, which would never end: {way}")


class ScheduleError(SupervisorError):
    """A schedule that makes no sense as it is declared."""

    def __init__(self, name: str, fault: str) -> None:
        self.name = name
        self.fault = fault
        super().__init__(f"schedule {name}: {fault}")


class UnknownScheduleError(SupervisorError):
    """No schedule has this name."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        self.name = name
        self.nearest = nearest
        hint = (
            f"did you mean {nearest!r}?"
            if nearest
            else "`supervisor schedules list`, or schedules(), tells which there are"
        )
        super().__init__(f"there is no schedule {name!r}: {hint}")


class ScheduleDeclaredError(SupervisorError):
    """A schedule that the code declares cannot be added or removed as well."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"schedule {name!r} is declared in the code: change it there, or pause it")


class TaskError(SupervisorError):
    """Base class of the errors that tell how a task ended."""

    def __init__(self, task_id: str, sentence: str) -> None:
        self.task_id = task_id
        super().__init__(sentence)


class TaskFailedError(TaskError):
    """The task raised; ``error_type``, ``error_message`` and ``remote_traceback`` say what."""

    def __init__(self, task_id: str, error_type: str, error_message: str, remote_traceback: str) -> None:
        self.error_type = error_type
        self.error_message = error_message
        self.remote_traceback = remote_traceback
        what = f"{error_type}: {error_message}" if error_type else error_message
        super().__init__(task_id, f"task {task_id} failed: {what}\n\n{remote_traceback}".rstrip())


class TaskTimeoutError(TaskError):
    """The task ran past its hard limit and was killed; ``stack`` says where it hung."""

    def __init__(self, task_id: str, timeout: float | None, stack: str | None = None) -> None:
        self.timeout = timeout
        self.stack = stack
        limit = f"its limit of {timeout:g} s" if timeout else "its limit"
        super().__init__(task_id, f"task {task_id} ran past {limit} and was killed\n\n{stack or ''}".rstrip())


class ResultExpiredError(TaskError):
    """The task succeeded, and what it returned is not kept any more."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id, f"the result of task {task_id} has expired; raise result_ttl to keep results longer")


class TaskCancelledError(TaskError):
    """The task was cancelled. Raised inside the task as well, where it may clean up and end.

    ``reason`` is empty where a caller did it; else it names the parent that did not succeed.
    """

    def __init__(self, task_id: str, reason: str = "") -> None:
        self.reason = reason
        super().__init__(task_id, f"task {task_id} was cancelled" + (f": {reason}" if reason else ""))


class TaskExpiredError(TaskError):
    """The task was not started in the time given for it."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id, f"task {task_id} was not started in time and has expired")


class WorkerLostError(TaskError):
    """The process that ran the task died (signal, exit, memory) as often as the crash budget allows."""

    def __init__(self, task_id: str, reason: str) -> None:
        self.reason = reason
        super().__init__(task_id, f"task {task_id} was lost: {reason}")


class SoftTimeoutError(SupervisorError):
    """Raised inside a task at its soft limit; it may clean up until the hard limit kills it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the task ran past its soft limit of {seconds:g} s")


class StreamRestartedError(TaskError):
    """The task runs again, and streams from its first item on, while a reader has had ``seen`` items already."""

    def __init__(self, task_id: str, seen: int) -> None:
        self.seen = seen
        super().__init__(
            task_id,
            f"the stream of task {task_id} began anew in another attempt, after {seen:,} items were read;"
            ' read it again, or with restart="skip"',
        )


class StreamForkError(SupervisorError):
    """A process that a generator task has forked went on in the generator and yielded."""

    def __init__(self) -> None:
        super().__init__("a process that a task has forked cannot yield items of the task; leave it with os._exit")


class WaitTimeoutError(SupervisorError, TimeoutError):
    """Only the waiting ran out; the task goes on."""

    def __init__(self, task_id: str, timeout: float) -> None:
        self.task_id = task_id
        self.timeout = timeout
        super().__init__(f"task {task_id} has not ended within {timeout:g} s of waiting; it goes on")


class ContextError(SupervisorError):
    """What was to be put into a task's context cannot be there."""

    def __init__(self, key: str, reason: str) -> None:
        self.key = key
        super().__init__(f"{key!r} cannot be put into the context: {reason}")


class HookSignatureError(SupervisorError, TypeError):
    """A hook that cannot be called as it will be."""

    def __init__(self, called: str, function: str, reason: str) -> None:
        super().__init__(f"{function} cannot be a hook that is called as {called}: {reason}")


class HooksFailedError(SupervisorError):
    """Hooks raised; they run again as the task's retries allow."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"hooks failed: {', '.join(names)}; what they raised is in the output")


class StandstillError(WaitTimeoutError):
    """In the in-process mode for tests: nothing that is due at this moment of the clock ends what is waited for."""

    def __init__(self, task_id: str, state: str) -> None:
        super().__init__(task_id, 0.0)
        self.args = (
            f"task {task_id} is {state}, and nothing is due now that would end it: move the clock on, with"
            " clock.advance(…) or run_due(…), or resume the queue that it waits in",
        )


class ListenError(SupervisorError):
    """Metrics cannot be served on this address."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"metrics cannot be served on {address} ({reason}); name another port (--listen, metrics_listen)"
        )


class NotInTaskError(SupervisorError):
    """``current_task()`` was called outside a running task."""

    def __init__(self) -> None:
        super().__init__("no task runs here: current_task() answers only inside a task")
