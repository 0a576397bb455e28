"""Calls as submissions, and rows as records: in the form that the supervisor at the other end wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from supervisor import captured, generation, plain, registry
from supervisor.config import TaskConfig
from supervisor.directory import Directory
from supervisor.errors import MessageTooLargeError, PayloadRefusedError, UnknownTaskError
from supervisor.functions import Call, Function, Packing, name_of, pack_arguments, unwrap
from supervisor.hidden import by_name, check_names
from supervisor.ids import new_id, to_text
from supervisor.payload_files import ARGUMENTS, RESULT, item_suffix, path_of, write_file
from supervisor.payloads import load_result
from supervisor.policy import NO_POLICY
from supervisor.reading import open_arguments
from supervisor.records import TaskRecord, record_of, result_in_file
from supervisor.states import State
from supervisor.wire.call_kind import AS_JSON, BY_NAME, header, read_header
from supervisor.wire.info import Info, Known
from supervisor.wire.messages import ArgumentsRow, Files, Submission, TaskRow
from supervisor.wire.options import Options

NO_CONFIG = TaskConfig()
_Caller = Callable[[Sequence[Any], Mapping[str, Any]], Submission]
_CHUNK_TASKS = 1000
_MOST_CALLERS = 1000
_CHUNK_BYTES = 4 << 20
_OVERHEAD = 250
_UNREGISTERED = (
    "only functions that are registered run; make it a @task, or a handler, in a module that is named in `tasks`"
)
_POLICY = "retry_on, never_retry_on and error_handler cannot travel; give them where the task is registered"


def in_chunks(submissions: Iterable[Submission]) -> Iterator[list[Submission]]:
    """As many at a time as make a round trip."""
    chunk: list[Submission] = []
    size = 0
    for submission in submissions:
        chunk.append(submission)
        size += len(submission.payload)
        if len(chunk) >= _CHUNK_TASKS or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


@dataclass(frozen=True, slots=True)
class Target:
    """What is registered under a name, here or with the workers, and the options of one call."""

    name: str
    config: TaskConfig
    known: Known
    function: Function | None = None
    """The function itself, where this process has it."""

    def arguments(self, data: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """How it is called with ``data``."""
        if not self.known.spread:
            return (data,), {}
        if not isinstance(data, Mapping):
            raise TypeError(f"task {self.name} takes its arguments by name: a mapping, not a {type(data).__name__}")
        return (), dict(data)


def _unknown(*args: object, **kwargs: object) -> None:
    """In the place of a function that only the workers have."""


def chosen(func: Callable[..., Any], config: TaskConfig) -> tuple[Function, TaskConfig]:
    """The plain function, and the options that it is submitted with. Raises TypeError for what is neither."""
    function = unwrap(func)
    if not callable(function):
        raise TypeError(f"{func!r} is no function")
    if not isinstance(config, TaskConfig):
        raise TypeError(f"config is a TaskConfig, such as TaskConfig(max_retries=2), not a {type(config).__name__}")
    if config is NO_CONFIG and function is not func:
        config = getattr(func, "config", NO_CONFIG)
    return function, config


@dataclass(frozen=True, slots=True)
class _Shape:
    """What all calls with one name and one config have in common."""

    name: str
    config: TaskConfig
    options: Options
    blank: Submission
    """The submission, but for what is each call's own."""

    @classmethod
    def of(cls, name: str, config: TaskConfig) -> _Shape:
        """Worked out once, for as many calls as there are."""
        options = config.wire
        blank = Submission(
            id=b"",
            name=name,
            payload=b"",
            options=options,
            delay=float(config.delay),
            generation=generation.get(),
            eta=config.eta_wall,
            expires=float(config.expires or 0.0),
            keys=config.keys(name),
            ties=config.ties,
            context=msgspec.json.encode(config.context) if config.context else None,
        )
        return cls(name, config, options, blank)


@dataclass(frozen=True, slots=True)
class _Known:
    """What packs the calls of a function with these options, since code of generation ``stamp``."""

    function: Function
    config: TaskConfig
    stamp: int
    call: _Caller


def discard(directory: Directory, submission: Submission) -> None:
    """Remove the file of what was refused."""
    if submission.files & Files.ARGUMENTS:
        path_of(directory, submission.id, ARGUMENTS).unlink(missing_ok=True)


def _weight(submission: Submission) -> int:
    """About how many bytes of a message it takes."""
    parents = 0 if submission.ties is None else 18 * len(submission.ties.parents)
    return len(submission.payload) + len(submission.name) + parents + _OVERHEAD


class Packer:
    """Packs for one supervisor; ``info`` is its own word on what it takes."""

    def __init__(self, directory: Directory, info: Info) -> None:
        self._directory = directory
        self._info = info
        self._json = info.payloads == plain.JSON_ONLY
        self._callers: dict[tuple[int, int], _Known] = {}
        """By the ids of a function and of its options, both of which are held, so that no other gets these ids."""

    # -- submitting --------------------------------------------------------------------------------------------

    def call(
        self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], config: TaskConfig
    ) -> Submission:
        """The submission of a function. Raises SerializationError, MessageTooLargeError, PayloadRefusedError."""
        return self.caller(func, config)(args, kwargs)

    def chunks(
        self, func: Callable[..., Any], arguments: Iterable[Sequence[Any]], config: TaskConfig
    ) -> Iterator[list[Submission]]:
        """The submissions of a call for each of ``arguments``, as many at a time as make a round trip."""
        call = self.caller(func, config)
        return in_chunks(call(args, {}) for args in arguments)

    def named(self, target: Target, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Submission:
        """The submission of what is registered under a name, called with :meth:`Target.arguments`."""
        shape = _Shape.of(target.config.name or target.name, target.config)
        if target.function is not None and not self._json:
            packing = Packing(target.function, shape.name, shape.config.policy, shape.options.hidden)
            return self._submission(shape, b"", packing.pack(args, kwargs))
        found = self._named(shape, target.name, args, kwargs)
        if target.function is not None or not target.known.asks_after_kill:
            return found  # the options of this call tell it
        options = msgspec.structs.replace(found.options, error_handler=True)
        return msgspec.structs.replace(found, options=options)

    def caller(self, func: Callable[..., Any], config: TaskConfig) -> _Caller:
        """What packs calls of this function, for as many as there are: ``(args, kwargs)``."""
        function, config = chosen(func, config)
        key = (id(function), id(config))
        known = self._callers.get(key)
        if known is not None and known.stamp == generation.get():
            return known.call
        call, lasts = self._make_caller(function, config)
        if lasts:
            if len(self._callers) >= _MOST_CALLERS:
                self._callers.clear()
            self._callers[key] = _Known(function, config, generation.get(), call)
        return call

    def _make_caller(self, function: Function, config: TaskConfig) -> tuple[_Caller, bool]:
        """That, and whether it may be kept: not for what was made inside a function, and is gone with it."""
        shape = _Shape.of(config.name or name_of(function), config)
        if config.hidden:
            check_names(function, shape.options.hidden)
        if not self._json:
            packing = Packing(function, shape.name, config.policy, shape.options.hidden)
            return lambda args, kwargs: self._submission(shape, b"", packing.pack(args, kwargs)), packing.by_reference
        known = registry.name_of(function)
        if known is None:
            raise PayloadRefusedError(f"task {shape.name}", _UNREGISTERED)
        return lambda args, kwargs: self._named(shape, known, args, kwargs), False

    def _named(self, shape: _Shape, known: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Submission:
        policy, hidden, variables = shape.config.policy, shape.options.hidden, captured.values()
        if self._json:
            found = registry.find(known)
            if policy != NO_POLICY and (found is None or policy != found.config.policy):
                raise PayloadRefusedError(f"a call of task {shape.name}", _POLICY)
            bare = found is not None and policy != found.config.policy
            told = plain.Arguments(list(args), dict(kwargs), bare, variables)
            return self._submission(shape, header(AS_JSON, known), plain.dump_call(shape.name, told, hidden))
        call = Call(_unknown, tuple(args), dict(kwargs), policy, variables)
        arguments = pack_arguments(call, shape.name, hidden)
        return self._submission(shape, header(BY_NAME, known), arguments)

    def _submission(self, shape: _Shape, head: bytes, body: bytes) -> Submission:
        payload = head + body
        task_id = new_id()
        files = Files.NONE
        if len(payload) > self._info.inline_limit:
            if len(payload) > self._info.payload_limit:
                raise MessageTooLargeError(len(payload), self._info.payload_limit)
            # Written, and safe from a loss of power, before anybody hears of the task.
            write_file(path_of(self._directory, task_id, ARGUMENTS), payload, durable=True)
            payload, files = head, Files.ARGUMENTS
        return msgspec.structs.replace(shape.blank, id=task_id, payload=payload, files=files)

    def lighten(self, submissions: list[Submission]) -> list[Submission]:
        """Submissions that are to cross in one message: where that would be too large, the largest travel by file."""
        left = self._info.message_limit * 3 // 4 - sum(map(_weight, submissions))
        if left >= 0:
            return submissions
        found = list(submissions)
        for place in sorted(range(len(found)), key=lambda each: -len(found[each].payload)):
            if left >= 0:
                break
            light = self._in_file(found[place])
            left += len(found[place].payload) - len(light.payload)
            found[place] = light
        return found

    def _in_file(self, submission: Submission) -> Submission:
        if submission.files & Files.ARGUMENTS:
            return submission
        write_file(path_of(self._directory, submission.id, ARGUMENTS), submission.payload, durable=True)
        named = read_header(submission.payload)
        head = submission.payload[: named[1]] if named else b""
        return msgspec.structs.replace(submission, payload=head, files=Files.ARGUMENTS)

    # -- reading -----------------------------------------------------------------------------------------------

    def item(self, task_id: bytes, lease: int, number: int, data: bytes | None) -> object:
        """An item of a stream; without ``data`` it lies in a file. Raises UnknownTaskError where that has expired."""
        if data is None:
            try:
                data = path_of(self._directory, task_id, item_suffix(lease, number)).read_bytes()
            except FileNotFoundError:
                raise UnknownTaskError(to_text(task_id)) from None
        return load_result(data, to_text(task_id), json_only=self._json)

    def arguments(self, task_id: bytes, row: ArgumentsRow) -> dict[str, Any]:
        """The arguments of a task by name, hidden ones hidden. Raises PayloadRefusedError, as for results."""
        payload = row.payload
        if row.files & Files.ARGUMENTS:
            payload = path_of(self._directory, task_id, ARGUMENTS).read_bytes()
        return by_name(*open_arguments(payload, row.name, json_only=self._json), row.hidden)

    def record(self, row: TaskRow) -> TaskRecord:
        """A row as a record with its result. Raises PayloadRefusedError for a pickle where only JSON is taken."""
        data = row.result
        if result_in_file(row):
            with suppress(FileNotFoundError):  # it has expired this very moment
                data = path_of(self._directory, row.id, RESULT).read_bytes()
        if data:
            return record_of(row, load_result(data, row.name, json_only=self._json))
        return record_of(row, result_expired=row.state == State.SUCCEEDED and row.options.store_result)
