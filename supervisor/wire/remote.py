"""Errors across the wire: a class name and plain arguments, rebuilt as the same class on the other side."""

from __future__ import annotations

from supervisor import errors
from supervisor.errors import BadRequestError, SupervisorError

_CLASSES: dict[str, type[SupervisorError]] = {
    found.__name__: found
    for found in (
        errors.QueueFullError,
        errors.QueueClosedError,
        errors.QueueDrainingError,
        errors.SettingsError,
        errors.TaskOptionError,
        errors.JournalFullError,
        errors.UnknownTaskError,
        errors.KeyHeldError,
        errors.TaskNeededError,
        errors.UnknownGroupError,
        errors.DeadlockError,
        errors.MessageTooLargeError,
        errors.BadRequestError,
        errors.UnknownHandlerError,
        errors.PayloadRefusedError,
        errors.ScheduleError,
        errors.UnknownScheduleError,
        errors.ScheduleDeclaredError,
    )
}


class RemoteError(Exception):
    """Raised inside the broker to answer a call with an error: the class and the arguments to build it with."""

    def __init__(self, kind: type[SupervisorError], *arguments: object) -> None:
        self.kind = kind
        self.arguments = arguments
        super().__init__(kind.__name__, *arguments)

    def as_value(self) -> tuple[str, tuple[object, ...]]:
        """What travels."""
        return self.kind.__name__, self.arguments


def rebuild(value: object) -> SupervisorError:
    """The error that the other side meant."""
    match value:
        case [str(name), list(arguments)] if name in _CLASSES:
            try:
                return _CLASSES[name](*arguments)
            except (TypeError, ValueError):  # another version of it builds the error otherwise
                return BadRequestError(f"{name} {arguments}")
    return BadRequestError(str(value))
