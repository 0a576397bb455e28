"""Where settings come from, and what each source says.

A source only tells what was written and how a person would find it again; what it means is read by the kind
of each setting.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.errors import SettingsError
from supervisor.settings.nearest import did_you_mean
from supervisor.settings.place import Modules
from supervisor.settings.spec import PREFIX, Spec

DEFAULT = "default"
# supervisord tells its children about itself in these; they are no mistake of anybody's.
SUPERVISORD = frozenset(PREFIX + word for word in ("ENABLED", "GROUP_NAME", "PROCESS_NAME", "SERVER_URL"))
WEB_VARIABLES = (f"{PREFIX}WEB_PASSWORD", f"{PREFIX}WEB_VIEWER_PASSWORD", f"{PREFIX}WEB_ALLOWED_HOSTS")
"""What the dashboard reads: no settings of the tree, whose files would tell the passwords."""


@dataclass(frozen=True, slots=True)
class Source:
    """What one source says. `place` ends "unknown setting 'x' …"; `origin` is where one setting was said."""

    place: str
    values: Mapping[str, object]
    origin: Callable[[Spec], str]


def command_line(values: Mapping[str, object]) -> Source:
    """Options by the name of their setting; None and an empty tuple mean that an option was not given."""
    given = {name: value for name, value in values.items() if value is not None and value != ()}
    return Source("on the command line", given, _argument)


def _argument(spec: Spec) -> str:
    return "MODULE" if isinstance(spec.kind, Modules) else spec.option


def environment(known: Mapping[str, Spec], environ: Mapping[str, str]) -> Source:
    """The variables of known settings; one that is empty counts as not set."""
    given = {name: text for name, spec in known.items() if (text := environ.get(spec.env, "")).strip()}
    return Source("in the environment", given, lambda spec: spec.env)


def attached(values: Mapping[str, object]) -> Source:
    """The keywords of ``attach(...)``, where None is a value."""
    return Source("in attach(...)", values, lambda _: "attach(...)")


def pyproject(directory: Path) -> Source:
    """The table ``[tool.supervisor]`` of the directory's pyproject.toml, if it has one.

    Raises SettingsError when the file is there and cannot be read.
    """
    path = directory / "pyproject.toml"
    table = _table(path, _document(path))
    return Source(f"in [tool.supervisor] of {path}", table, lambda _: f"[tool.supervisor] of {path}")


def handed_on(values: Mapping[str, object]) -> Source:
    """What the owner of a tree wrote down for its other processes."""
    return Source("in the settings handed on", values, lambda _: "the settings handed on")


def strangers(known: Mapping[str, Spec], environ: Mapping[str, str]) -> list[str]:
    """A warning for each ``SUPERVISOR_*`` variable that sets nothing."""
    names = [spec.env for spec in known.values()]
    wrong = sorted(
        name for name in environ if name.startswith(PREFIX) and name not in {*names, *SUPERVISORD, *WEB_VARIABLES}
    )
    return [_stranger(name, names) for name in wrong]


def _stranger(name: str, names: list[str]) -> str:
    hint = did_you_mean(name.removeprefix(PREFIX), [known.removeprefix(PREFIX) for known in names])
    hint = hint.replace("mean '", f"mean '{PREFIX}")
    return f"the environment variable {name} sets nothing" + (f": {hint}" if hint else "")


def _document(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror}"]) from error
    except ValueError as error:  # both of TOML and of UTF-8
        raise SettingsError([f"{path} is no valid TOML: {error}"]) from error


def _table(path: Path, document: Mapping[str, object]) -> Mapping[str, object]:
    found: object = document
    for name in ("tool", "supervisor"):
        found = found.get(name, {}) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        raise SettingsError([f"[tool.supervisor] of {path} must be a table of settings"])
    return {str(name): value for name, value in found.items()}
