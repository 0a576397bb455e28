"""The calls that clients and workers may make, and what each does to the book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from supervisor.broker.admission import Admission
from supervisor.broker.clearing import Clearing
from supervisor.broker.configuring import Configuring
from supervisor.broker.connection import Connection
from supervisor.broker.desk import Desk
from supervisor.broker.draining import Draining
from supervisor.broker.ended import Ended
from supervisor.broker.gauging import Gauging
from supervisor.broker.hooks import Hooks
from supervisor.broker.listening import Listening
from supervisor.broker.ordering import Ordering
from supervisor.broker.output import OutputReader
from supervisor.broker.room import Room
from supervisor.broker.streams import Streams
from supervisor.broker.timetable import Timetable
from supervisor.broker.together import Together
from supervisor.broker.turn import PARKED, Turn
from supervisor.broker.waiters import Waiter, Waiters
from supervisor.core.book import Book, Cancelled
from supervisor.core.entry import Lease, Worker
from supervisor.core.keys import Key
from supervisor.core.moment import Moment
from supervisor.core.plan import Plan, ScheduleName
from supervisor.errors import BadRequestError, JournalFullError, QueueDrainingError, QueueFullError, UnknownTaskError
from supervisor.ids import to_text
from supervisor.journal.journal import Journal
from supervisor.scoreboard import Header, Scoreboard, Word
from supervisor.wire.channel import CancelRunning
from supervisor.wire.codec import ERROR, MALFORMED, NO_REPLY, RETURN, Request, decode_request, encode_reply
from supervisor.wire.info import Info
from supervisor.wire.messages import (
    BARE_REPORT,
    ArgumentsRow,
    DeadQuery,
    Hello,
    Name,
    Report,
    Span,
    Submission,
    TaskId,
    TaskRow,
    decode_bare_report,
)
from supervisor.wire.remote import RemoteError
from supervisor.wire.talks import Item, Place, Seen

_MOST_WAIT = 3600.0
_SUBMITS = ("submit", "submit_many")
_STALLED = "the disk is full, and what was accepted before waits to be written"
RateCount = Annotated[int, msgspec.Meta(ge=1)]
LimitCount = Annotated[int, msgspec.Meta(ge=0)]
Period = Annotated[float, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Weight = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
TaskIds = Annotated[list[TaskId], msgspec.Meta(max_length=1000)]
Position = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class _Call:
    """A method: how its arguments are read, and who carries it out."""

    decode: Callable[[bytes | msgspec.Raw], tuple[object, ...]]
    handler: Callable[..., object]


class Service:
    """Answers requests. What it answers stays in ``turn`` until the loop has committed."""

    def __init__(self, book: Book, journal: Journal, board: Scoreboard, output: OutputReader) -> None:
        self.book = book
        self.journal = journal
        self.board = board
        self.output = output
        self.waiters: Waiters[Waiter] = Waiters()
        self.links: dict[int, tuple[Connection, int | None]] = {}
        """Each worker's connection, and the call in which it waits for work."""
        self.turn = Turn()
        self.now = Moment.now()
        self.info: dict[str, Any] = {}
        self.room: Room | None = None
        """None where nothing is written to a disk."""
        self.admission = Admission(Info("pickle", 64 * 1024, 1 << 30))
        self.ended = Ended(self)
        self.timetable = Timetable(self)
        self.together = Together(self)
        self.streams = Streams(book, journal)
        self.listening = Listening(self)
        self.hooks = Hooks(self)
        self.configuring = Configuring(self)
        self.draining = Draining(self)
        self.clearing = Clearing(self)
        self.desk = Desk(self)
        self.gauging = Gauging(self)
        self.ordering = Ordering(self)
        self._calls = self._methods()

    def _methods(self) -> dict[str, _Call]:
        return {
            "dummy": _call(tuple[()], self._dummy),
            "info": _call(tuple[()], self._info),
            "look": _call(tuple[Name], self._look),
            "submit": _call(tuple[Submission], self._submit),
            "submit_many": _call(tuple[list[Submission]], self._submit_many),
            "task": _call(tuple[TaskId, bool], self._task),
            "wait": _call(tuple[TaskId, float, bool], self._wait),
            "wait_within": _call(tuple[TaskId, float, bool, TaskId], self._wait_within),
            "cancel": _call(tuple[TaskId], self._cancel),
            "clear": _call(tuple[Span, str, str], self.clearing.clear),
            "said": _call(tuple[TaskId, Place, float], self.listening.said),
            "items": _call(tuple[TaskId, Seen, float], self.listening.items),
            "arguments": _call(tuple[TaskId], self._arguments),
            "attempts": _call(tuple[TaskId], self.ended.attempts),
            "retry": _call(tuple[TaskId, int, bool], self.ended.retry),
            "retry_dead": _call(tuple[DeadQuery], self.ended.retry_dead),
            "dead": _call(tuple[DeadQuery], self.ended.dead),
            "drop": _call(tuple[TaskId, bool], self.ended.drop),
            "drop_dead": _call(tuple[DeadQuery], self.ended.drop_dead),
            "prioritise": _call(tuple[TaskId, int], self.ordering.prioritise),
            "handed": _call(tuple[TaskId, Position], self.together.handed),
            "group": _call(tuple[TaskId], self.together.group),
            "records": _call(tuple[TaskIds], self.together.records),
            "cancel_group": _call(tuple[TaskId], self.together.cancel),
            "schedules": _call(tuple[()], self.timetable.rows),
            "pause_schedule": _call(tuple[ScheduleName, bool], self.timetable.pause),
            "run_schedule": _call(tuple[ScheduleName, TaskId], self.timetable.run),
            "add_schedule": _call(tuple[Plan], self.timetable.add),
            "remove_schedule": _call(tuple[ScheduleName, bool], self.timetable.remove),
            "queues": _call(tuple[()], self.ordering.queues),
            "pause": _call(tuple[str, bool], self.ordering.pause),
            "weigh": _call(tuple[str, Weight], self.ordering.weigh),
            "stats": _call(tuple[()], self.desk.stats),
            "workers": _call(tuple[()], self.desk.workers),
            "figures": _call(tuple[()], self.gauging.figures),
            "condition": _call(tuple[()], self.desk.condition),
            "hasten": _call(tuple[TaskId], self.ordering.hasten),
            "drain": _call(tuple[Seconds], self.draining.drain),
            "open": _call(tuple[()], self.draining.open),
            "configure": _call(tuple[dict[str, Any], list[str]], self.configuring.configure),
            "set_limit": _call(tuple[Key, LimitCount | None], self.configuring.set_limit),
            "set_rate": _call(tuple[Key, tuple[RateCount, Period] | None], self.configuring.set_rate),
            "changes": _call(tuple[int], self.configuring.changes),
            "hello": _call(tuple[Hello], self._hello),
            "report": _call(tuple[Report], self._report),
            "item": _call(tuple[Item], self._item),
            "next": _call(tuple[list[Report], int], self._next),
        }

    def hear(self, connection: Connection, body: bytes) -> None:
        """Carry out what a message asks for. MALFORMED where it is no request; any other error is its answer."""
        if body[:1] == BARE_REPORT and connection.worker is not None:
            self._take_report(connection.worker, decode_bare_report(body))
        else:
            self.handle(connection, decode_request(body))

    def handle(self, connection: Connection, request: Request) -> None:
        """Carry out one request; errors of every sort become its answer."""
        ident = request.ident
        call = self._calls.get(request.method)
        try:
            if call is None:
                raise RemoteError(BadRequestError, f"there is no method {request.method!r}")
            value = call.handler(connection, ident, *_arguments(call, request))
        except RemoteError as error:
            self.reply(connection, ident, ERROR, error.as_value())
        except msgspec.MsgspecError as error:
            self.reply(connection, ident, ERROR, RemoteError(BadRequestError, f"{request.method}: {error}").as_value())
        else:
            if value is not PARKED:
                self.reply(connection, ident, RETURN, value)

    def refuse(self, connection: Connection, body: bytes) -> bool:
        """Refuse at once what a message asks for, if it is to submit something; whether it was."""
        if body[:1] == BARE_REPORT:
            return False
        try:
            request = decode_request(body)
        except MALFORMED:
            return False
        if request.method not in _SUBMITS:
            return False
        self.reply(connection, request.ident, ERROR, RemoteError(JournalFullError, _STALLED).as_value())
        return True

    def reply(self, connection: Connection, ident: int | None, kind: str, value: object) -> None:
        """Answer after the commit."""
        if ident != NO_REPLY:
            self.turn.replies.append((connection, encode_reply(ident, kind, value)))

    def hung_up(self, connection: Connection) -> None:
        """A connection is gone, and with it the calls that wait on it."""
        self.waiters.drop(connection)
        self.listening.drop(connection)
        worker = connection.worker
        if worker is not None and self.links.get(worker.number, (None,))[0] is connection:
            # Whether it is dead is for the master to say; it may only be reconnecting.
            del self.links[worker.number]
            self.book.leave(worker)

    # -- clients -----------------------------------------------------------------------------------------------

    def _dummy(self, connection: Connection, ident: int | None) -> object:
        return None

    def _info(self, connection: Connection, ident: int | None) -> object:
        return self.admission.terms

    def _look(self, connection: Connection, ident: int | None, name: str) -> object:
        return self.admission.look(name)

    def _submit(self, connection: Connection, ident: int | None, submission: Submission) -> object:
        if submission.ties is not None:
            return self.accept([submission])[0]
        # What accept does, for the one that comes as a rule: lists of one take half as long again.
        submission = self.admission.check(submission)
        held = self._standing(submission)
        if held is not None:
            return held
        agenda = self.book.agenda
        if agenda.closed:
            raise RemoteError(QueueDrainingError)
        if agenda.capacity.tight:
            self.want_room([submission.options.queue], len(submission.payload))
        elif self.room is not None:
            self.room.want(len(submission.payload), self.now.mono)
        agenda.submit(self._stamped(submission), self.now)
        return submission.id

    def _submit_many(self, connection: Connection, ident: int | None, submissions: list[Submission]) -> object:
        return self.accept(submissions)

    def accept(self, submissions: list[Submission]) -> list[bytes]:
        """The ids of the tasks that stand for these submissions: their own, or those of who holds their unique keys.
        All of them are accepted, or none.
        """
        admitted = [self.admission.check(each) for each in submissions]
        standing = [self._standing(each) for each in admitted]
        if self.book.agenda.closed and None in standing:  # those that were accepted before are not refused now
            raise RemoteError(QueueDrainingError)
        new = [each for each, held in zip(admitted, standing, strict=True) if held is None]
        self.want_room([each.options.queue for each in new], sum(len(each.payload) for each in new))
        for each in admitted:
            if each.ties is not None:
                return self.together.accept(admitted, standing, self._take_in)
        return [held or self._take_in(each) for each, held in zip(admitted, standing, strict=True)]

    def _standing(self, submission: Submission) -> bytes | None:
        """The id of the task that is here already and stands for this submission."""
        if submission.id in self.book.agenda.tasks:
            return submission.id
        if submission.again and self.together.is_known(submission.id):
            return submission.id  # the first try was accepted, only its answer was lost; it may even be over
        return None if submission.keys is None else self.book.agenda.holder(submission, self.now)

    def want_room(self, queues: list[str], size: int = 0) -> None:
        """Raise QueueFullError unless there is room for one task more in each of these queues, JournalFullError unless
        there is room for so many bytes on the disk.
        """
        lacking = self.book.agenda.capacity.lacking(queues)
        if lacking:
            raise RemoteError(QueueFullError, *lacking)
        if self.room is not None and queues:
            self.room.want(size, self.now.mono)

    def _take_in(self, submission: Submission) -> bytes:
        if submission.keys is not None and (held := self.book.agenda.holder(submission, self.now)):
            return held  # one before it in the same call took its key
        submission = self._stamped(submission)
        if submission.ties is None:
            self.book.agenda.submit(submission, self.now)
        else:
            self.book.agenda.submit(submission, self.now, self.together.ends(submission.ties))
        return submission.id

    def _stamped(self, submission: Submission) -> Submission:
        """With a generation of this tree. One that was stamped under a tree that is gone has too high a number, maybe:
        this one began to count anew, and its code is as new as any.
        """
        newest = self.board.get(Header.GENERATION)
        if submission.generation <= newest:
            return submission
        return msgspec.structs.replace(submission, generation=newest)

    def _task(self, connection: Connection, ident: int | None, task_id: bytes, with_result: bool) -> object:
        if self._changing(task_id):
            self.waiters.add(Waiter(connection, ident, task_id, with_result, self.now.mono))
            return PARKED
        return self.row(task_id, with_result=with_result)

    def _arguments(self, connection: Connection, ident: int | None, task_id: bytes) -> object:
        found = self.journal.arguments(task_id)
        if found is None and task_id in self.book.agenda.tasks:
            entry = self.book.agenda.tasks[task_id]  # it came in this very turn
            new = self.book.agenda.changes.new[entry.seq]
            found = ArgumentsRow(new.name, new.payload, new.files, new.options.hidden)
        if found is None:
            raise RemoteError(UnknownTaskError, to_text(task_id))
        return found

    def _changing(self, task_id: bytes) -> bool:
        """Whether the task changed in this very turn: what the journal says of it is true only after the commit."""
        changes = self.book.agenda.changes
        entry = self.book.agenda.tasks.get(task_id)
        return task_id in changes.ended or (entry is not None and entry.seq in changes.touched)

    def row(self, task_id: bytes, *, with_result: bool) -> TaskRow | None:
        """What the journal knows of a task, and its progress where it runs."""
        row = self.journal.task(task_id, with_result=with_result)
        entry = self.book.agenda.tasks.get(task_id)
        if row is None or entry is None:
            return row and self.ended.current(row)
        progress = self.output.progress_of(entry.lease)
        return msgspec.structs.replace(row, progress=progress) if progress else row

    def _wait_within(
        self, connection: Connection, ident: int | None, task_id: bytes, timeout: float, with_result: bool, by: bytes
    ) -> object:
        self.together.want_end(by, task_id)
        return self._wait(connection, ident, task_id, timeout, with_result, by)

    def _wait(
        self,
        connection: Connection,
        ident: int | None,
        task_id: bytes,
        timeout: float,
        with_result: bool,
        by: bytes = b"",
    ) -> object:
        if task_id not in self.book.agenda.tasks and task_id not in self.book.agenda.changes.ended:
            row = self.row(task_id, with_result=with_result)
            if row is None:
                raise RemoteError(UnknownTaskError, to_text(task_id))
            return row
        until = self.now.mono + min(max(timeout, 0.0), _MOST_WAIT)
        self.waiters.add(Waiter(connection, ident, task_id, with_result, until, by))
        return PARKED

    def _cancel(self, connection: Connection, ident: int | None, task_id: bytes) -> object:
        found, lease = self.book.cancel(task_id, self.now)
        if found is Cancelled.UNKNOWN:
            if self.journal.state_of(task_id) is None:
                raise RemoteError(UnknownTaskError, to_text(task_id))
            return False
        if lease is not None:
            self.ask_to_end(lease)
        return True

    def ask_to_end(self, lease: Lease) -> None:
        """Have the master see to the end of a task that runs."""
        worker = self.book.workers[lease.worker]
        self.board.slots[worker.slot].put(Word.CANCEL_LEASE, lease.number)
        self.turn.words.append(CancelRunning(worker.number, worker.slot, lease.number))

    # -- workers -----------------------------------------------------------------------------------------------

    def _hello(self, connection: Connection, ident: int | None, hello: Hello) -> object:
        connection.worker = self.book.hello(hello)
        self.links[hello.worker] = (connection, NO_REPLY)
        return True

    def _report(self, connection: Connection, ident: int | None, report: Report) -> object:
        if connection.worker is None:
            raise RemoteError(BadRequestError, "report: say hello first")
        self._take_report(connection.worker, report)
        return True

    def _take_report(self, worker: Worker, report: Report) -> None:
        if self.book.complete(worker, report, self.now):
            self.turn.late.append(report.lease)

    def _item(self, connection: Connection, ident: int | None, item: Item) -> object:
        return True if self.streams.take(connection, item) else PARKED

    def _next(self, connection: Connection, ident: int | None, reports: list[Report], most: int) -> object:
        worker = connection.worker
        if worker is None:
            raise RemoteError(BadRequestError, "next: say hello first")
        for report in reports:
            self._take_report(worker, report)
        self.links[worker.number] = (connection, ident)
        if self.book.ask(worker, most, self.now):
            self.board.slots[worker.slot].unclaim()
        return PARKED


def _arguments(call: _Call, request: Request) -> tuple[object, ...]:
    try:
        return call.decode(request.args)
    except MALFORMED as error:
        raise RemoteError(BadRequestError, f"{request.method}: {error}") from error


def _call(arguments: object, handler: Callable[..., object]) -> _Call:
    return _Call(msgspec.msgpack.Decoder(arguments).decode, handler)
