"""The process that tries to import the application's modules, and tells how far it came, a line of JSON each."""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from types import ModuleType

import msgspec
from msgspec import Struct

from supervisor.errors import SupervisorError
from supervisor.launch import EXIT_FAILED, read_spec
from supervisor.system.prctl import die_with_parent
from supervisor.tasks import Task
from supervisor.template import application

MODULE = __name__ if __name__ != "__main__" else "supervisor.cli.checks.trial"

_NOT_THE_APPLICATION = frozenset(
    {
        __file__,
        application.__file__,
        importlib.__file__,
        *("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>"),
    }
)


class Trying(Struct, frozen=True, tag="trying"):
    """This module comes next."""

    module: str


class Imported(Struct, frozen=True, tag="imported"):
    """It is imported."""

    module: str
    seconds: float
    tasks: int
    """How many functions in it are marked with ``@task``."""


class Failed(Struct, frozen=True, tag="failed"):
    """It raised."""

    module: str
    reason: str


class Refused(Struct, frozen=True, tag="refused"):
    """What they declare cannot be told to the broker: a schedule of a function that is not registered, say."""

    sentence: str


class Obstacle(Struct, frozen=True, tag="obstacle"):
    """Why workers cannot be forked from a process that has imported it all."""

    sentence: str


Word = Trying | Imported | Failed | Refused | Obstacle


class _Teller:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_inheritable(descriptor, False)

    def say(self, word: Word) -> None:
        os.write(self.descriptor, msgspec.json.encode(word) + b"\n")


def _try(module: str, tell: _Teller) -> bool:
    tell.say(Trying(module))
    started, before = time.monotonic(), set(sys.modules)
    try:
        application.load([module])
    except BaseException as error:  # noqa: BLE001  a SystemExit at import is a failed import too
        tell.say(Failed(module, _told(error)))
        return False
    tell.say(Imported(module, time.monotonic() - started, _tasks({module} | set(sys.modules) - before)))
    return True


def _tasks(names: set[str]) -> int:
    """How many tasks these modules hold: as a rule a package names those that its modules declare."""
    modules = [found for name in names if isinstance(found := sys.modules.get(name), ModuleType)]
    return len({id(found) for each in modules for found in tuple(vars(each).values()) if isinstance(found, Task)})


def _told(error: BaseException) -> str:
    """Its traceback, from the application's first line on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in _NOT_THE_APPLICATION:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))[-20_000:]


def main(arguments: list[str]) -> int:
    """Try the modules of the spec behind the first descriptor; tell it to the second. End with the process named third:
    a check that is killed leaves no import behind that never ends.
    """
    described, writing, parent = map(int, arguments)
    if not die_with_parent(parent):
        return EXIT_FAILED
    spec = read_spec(described)
    os.close(described)
    tell = _Teller(writing)
    application.prepare(spec)
    tried = [_try(module, tell) for module in spec.settings.tasks]  # all of them, to tell all that is wrong at once
    if all(tried):
        try:
            application.declared(spec)
        except SupervisorError as error:
            tell.say(Refused(str(error)))
        for sentence in application.obstacles(()):
            tell.say(Obstacle(sentence))
    return 0


if __name__ == "__main__":
    # Without the end of the interpreter: threads that the application started would be waited for.
    os._exit(main(sys.argv[1:]))
