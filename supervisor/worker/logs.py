"""What a task gives to ``logging``, on its way into the talk pipe: a handler at the root of all loggers."""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec
from msgspec import Raw

from supervisor.core.transcript import NO_EXTRA
from supervisor.errors import SoftTimeoutError, TaskCancelledError
from supervisor.settings import Settings
from supervisor.wire.talk import LogRecord
from supervisor.worker.output import Talk

_USUAL = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
"""What every record has; the rest is extra."""
_LONGEST_VALUE = 16 * 1024
_LONGEST_REPR = 1000
_encode = msgspec.msgpack.Encoder().encode


class TaskHandler(logging.Handler):
    """Says what a task logs, from a level on; ``longest`` bounds the text of one record.

    Between tasks nothing is kept, and it does what logging does without any handler: warnings go to stderr.
    """

    def __init__(self, talk: Talk, level: str, longest: int) -> None:
        super().__init__(level.upper())
        self._talk = talk
        self._longest = max(1, longest)
        self.setFormatter(logging.Formatter())  # the message alone, and the traceback behind it

    @property
    def listens(self) -> bool:
        """Whether a task runs."""
        return bool(self._talk.lease)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            if not self._talk.lease:
                if record.levelno >= logging.WARNING and logging.root.handlers == [self]:
                    sys.stderr.write(f"{text}\n")
                return
            level, extra = record.levelname.lower(), _extra_of(record)
            self._talk.record(LogRecord(record.created, level, record.name, text[: self._longest], extra))
        except (SoftTimeoutError, TaskCancelledError):
            raise  # they came from a signal, in the middle of this, and are for the task
        except Exception:  # noqa: BLE001  arguments that do not fit the format, say: shown as logging always does
            self.handleError(record)


class _NotTwice(logging.Filter):
    """At another handler that writes to our stdout or stderr: what is kept as a record need not be printed as well."""

    def __init__(self, kept_by: TaskHandler) -> None:
        super().__init__()
        self._kept_by = kept_by

    def filter(self, record: logging.LogRecord) -> bool:
        return not (self._kept_by.listens and record.levelno >= self._kept_by.level and _reaches_root(record.name))


def _reaches_root(name: str) -> bool:
    logger: logging.Logger | None = logging.root.manager.loggerDict.get(name) if name != "root" else None  # type: ignore[assignment]
    while isinstance(logger, logging.Logger):
        if not logger.propagate:
            return False
        logger = logger.parent
    return True


def install(talk: Talk, settings: Settings) -> None:
    """Have the root logger tell ``talk``.

    Where the application has not configured it, it lets through what is to be kept; else it keeps its own level. The
    application's own handlers that write to stdout and stderr, as these were before, write to what they are now.
    """
    root = logging.root
    handler = TaskHandler(talk, settings.task_log_level, settings.output_limit // 2)
    places = (*zip(talk.before, talk.now, strict=True), *((stream, stream) for stream in talk.now))
    if not root.handlers and root.level == logging.WARNING:
        root.setLevel(handler.level)
    for other in _all_handlers():
        stream = getattr(other, "stream", None)
        now = next((new for old, new in places if stream is old), None)
        if isinstance(other, logging.StreamHandler) and now is not None:
            other.setStream(now)
            other.addFilter(_NotTwice(handler))
    root.addHandler(handler)


def _all_handlers() -> list[logging.Handler]:
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return [
        handler
        for logger in loggers
        if isinstance(logger, logging.Logger) and logger.name.partition(".")[0] != "supervisor"
        for handler in logger.handlers
    ]


def _extra_of(record: logging.LogRecord) -> Raw:
    values = record.__dict__
    if not values.keys() - _USUAL:
        return NO_EXTRA
    return Raw(_encode({str(name): _plain(value) for name, value in values.items() if name not in _USUAL}))


def _plain(value: object) -> Any:
    """A value as plain data; what has no such form, or is long, by its ``repr``."""
    try:
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_show)
        if len(_encode(plain)) <= _LONGEST_VALUE:
            return plain
    except (SoftTimeoutError, TaskCancelledError):
        raise
    except Exception:  # noqa: BLE001  it has code of its own, or contains itself
        return _show(value)
    return _show(value)


def _show(value: object) -> str:
    try:
        return repr(value)[:_LONGEST_REPR]
    except (SoftTimeoutError, TaskCancelledError):
        raise
    except Exception as error:  # noqa: BLE001  an object whose own __repr__ raises
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"
