"""Settings that name places: the supervisor's directory, and the modules that hold the tasks."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supervisor.settings.kind import Plain


class Directory(Plain):
    """A path; `~` is expanded. Whoever loads the settings makes it absolute."""

    unit = "path"
    expects = "the path of a directory"

    def read(self, value: object) -> Path:
        text = str(value) if isinstance(value, str | Path) else ""
        if not text.strip() or "\0" in text:
            raise ValueError
        try:
            return Path(text).expanduser()
        except RuntimeError as error:
            raise ValueError("that user has no home directory") from error

    def plain(self, value: Any) -> object:
        return str(value)


class Modules(Plain):
    """Dotted module names, in a sequence or separated by commas; repeats are dropped."""

    unit = "module names, separated by commas"
    expects = 'module names such as "myapp.tasks", separated by commas or in a list'

    def read(self, value: object) -> tuple[str, ...]:
        words = value.split(",") if isinstance(value, str) else _words(value)
        names = [word.strip() for word in words if word.strip()]
        for name in names:
            _refuse_unless_module(name)
        return tuple(dict.fromkeys(names))

    def show(self, value: Any) -> str:
        return ",".join(value)

    def plain(self, value: Any) -> object:
        return list(value)


def _words(value: object) -> list[str]:
    if not isinstance(value, Sequence):
        raise ValueError
    words = [word for word in value if isinstance(word, str)]
    if len(words) != len(value):
        raise ValueError("give the names of the modules, not the modules")
    return words


def _refuse_unless_module(name: str) -> None:
    if _is_module(name) and not name.endswith(".py"):
        return
    dotted = name.partition(":")[0].removesuffix(".py").strip("./").replace("/", ".")
    raise ValueError(f"did you mean {dotted!r}?" if _is_module(dotted) else f"{name!r} is no module name")


def _is_module(name: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split("."))
