"""The reference of all settings as a Markdown page, written from the settings themselves."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from supervisor.settings.model import Settings
from supervisor.settings.rule import FAULTS, HOST_WORDS, WARNINGS, Rule
from supervisor.settings.spec import Spec, specs

INTRODUCTION = """\
# Settings

<!-- Written by scripts/settings-reference from supervisor/settings/model.py; edit that. -->

Each setting can come from five places. The first that names it counts:

1. the command line: `supervisor run myapp.tasks --workers 4 --max-tasks 500`
2. the environment: `SUPERVISOR_WORKERS=4` (a variable that is empty counts as not set)
3. the keywords of `attach(globals(), workers=4)` in `gunicorn_config.py`
4. the table `[tool.supervisor]` of the `pyproject.toml` in the directory of the application: `workers = 4`
5. the default.

How values are written:

* **Durations** are seconds, or numbers with `ms`, `s`, `m`, `h` and `d`: `30`, `"30s"`, `"1h30m"`.
* **Sizes** are bytes, or a number with `K`, `M`, `G` or `T`, powers of 1024: `65536`, `"64K"`, `"1.5G"`.
* What may be left open is `"none"` (for `workers`, `"auto"`), and in Python `None`.
* Switches are `true` or `false`. Module names are separated by commas, or are a list in Python and TOML.
* The CPUs of both sides are `"web=0 tasks=1-3"`, or a mapping in Python and TOML:
  `cpus = { web = "0", tasks = "1-3" }`.

A setting that does not exist, or a value that makes no sense, stops the start. All faults are told at once, a
sentence each that names the source and, for an unknown name, the nearest one that exists. An unknown
`SUPERVISOR_*` variable is only warned about.
"""

TABLE_HEAD = """\
| Setting | Environment | Default | Value | Meaning |
| --- | --- | --- | --- | --- |
"""

FAULTS_HEADING = """\
## Refused together

Each value makes sense, and together, or on this machine, they do not:
"""

WARNINGS_HEADING = """\
## Warned about

The supervisor starts, and says so in its log:
"""


def page() -> str:
    """The whole page."""
    known = specs(Settings)
    groups = [_group(name, members) for name, members in groupby(known.values(), key=lambda spec: spec.group)]
    rules = [FAULTS_HEADING + _rules(FAULTS, known), WARNINGS_HEADING + _rules(WARNINGS, known)]
    return "\n".join([INTRODUCTION, *groups, *rules])


def _group(name: str, members: Iterable[Spec]) -> str:
    return f"## {name}\n\n{TABLE_HEAD}" + "".join(_row(spec) for spec in members)


def _row(spec: Spec) -> str:
    default = spec.show(spec.default)
    cells = (f"`{spec.name}`", f"`{spec.env}`", f"`{default}`" if default else "", spec.kind.unit, spec.doc)
    return "| " + " | ".join(cells) + " |\n"


def _rules(rules: Iterable[Rule], known: Iterable[str]) -> str:
    words = {name: f"`{name}`" for name in known} | HOST_WORDS
    return "\n" + "".join(f"* {rule.sentence(words)}.\n" for rule in rules)
