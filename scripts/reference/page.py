"""The page: which public name stands where, and how each sort of definition is shown."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from scripts.reference import source
from scripts.reference.markup import cell, markdown, table

INTRODUCTION = """\
# API reference

Written by `scripts/api-reference` from the docstrings of the sources; a test fails while it is out of date. All
names are imported from `supervisor`, but for those of the last three sections. What is shown with `await` does the
same as the call above it and never blocks the event loop. `supervisor.__version__` is the version.
"""
SECTIONS: dict[str, tuple[str, ...]] = {
    "Writing tasks": (
        "task",
        "Task",
        "TaskConfig",
        "Priority",
        "quick_config",
        "high_priority_config",
        "reliable_config",
    ),
    "Submitting and asking": ("Handle", "StreamHandle", "queue", "TaskQueue"),
    "Together": ("chain", "group", "Step", "Chain", "Group", "GroupHandle", "GroupProgress"),
    "Schedules": ("schedule", "Misfire", "Overlap", "MissCause"),
    "Records": (
        *("TaskRecord", "TaskProgress", "AttemptRecord", "ScheduleRecord"),
        *("State", "Cause", "ErrorInfo", "Progress", "LogLine", "Profile", "HIDDEN"),
    ),
    "Numbers": ("QueueStats", "Figures", "Times", "WorkerRecord", "ActiveTask", "ChangeRecord"),
    "Inside a task": (
        *("current_task", "CurrentTask", "track", "set_context", "get_context", "commit_context"),
        *("Retry", "Reject", "on_worker_start", "on_worker_stop"),
    ),
    "Hooks": (
        *("on_pre_create", "on_post_create", "NewTask", "on_pre_run", "on_post_run"),
        *("on_death", "DeadTask", "on_backlog", "capture"),
    ),
}
ERRORS = "supervisor.errors"
GUNICORN = "supervisor.gunicorn"
ATTACHING = ("attach", "web_cpus")
TESTING = "supervisor.testing"
FOR_TESTS = {"in_process": f"{TESTING}.queue", "InProcessQueue": f"{TESTING}.queue", "Clock": f"{TESTING}.clock"}
_ENUMS = {"IntEnum", "StrEnum"}
_RECORDS = (
    *("TaskConfig", "TaskRecord", "TaskProgress", "AttemptRecord", "LogLine", "ScheduleRecord", "ErrorInfo"),
    *("Progress", "GroupProgress", "Profile", "NewTask", "DeadTask"),
    *("QueueStats", "Figures", "Times", "WorkerRecord", "ActiveTask", "ChangeRecord"),
)
_MADE_BY_US = (
    "Task",
    "Handle",
    "StreamHandle",
    "CurrentTask",
    "Step",
    "Chain",
    "Group",
    "GroupHandle",
    "InProcessQueue",
)
"""Their constructors are none of the caller's business."""


def page() -> str:
    """The whole page; LookupError when a public name has no section."""
    homes = source.exported()
    errors = source.classes(source.module(ERRORS))
    ours = [name for name in errors if name in homes]
    placed = {name for names in SECTIONS.values() for name in names} | set(ours) | {"__version__"}
    if placed != set(homes):
        raise LookupError(f"these public names have no section, or are none: {sorted(placed ^ set(homes))}")
    parts = [_section(title, [_entry(homes[name], name) for name in names]) for title, names in SECTIONS.items()]
    parts.append(_section("Errors", [_errors(ours)]))
    parts.append(_section(f"More errors, in `{ERRORS}`", [_errors(name for name in errors if name not in homes)]))
    parts.append(_section(f"In `{GUNICORN}`", [_entry(GUNICORN, name) for name in ATTACHING]))
    parts.append(_section(f"In `{TESTING}`", [_entry(home, name) for name, home in FOR_TESTS.items()]))
    return "\n".join([INTRODUCTION, *parts])


def _section(title: str, entries: Iterable[str]) -> str:
    return f"## {title}\n\n" + "\n".join(entries)


def _entry(home: str, name: str) -> str:
    tree = source.module(home)
    *overloads, node = source.definitions(tree, name)
    match node:
        case ast.ClassDef():
            return _class(node, tree)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            forms = [each for each in overloads if isinstance(each, source.Function)] or [node]
            return _titled(f"### `{name}`", [source.signature(each, name) for each in forms], ast.get_docstring(node))
        case _:
            return _titled(f"### `{name}`", [], source.doc_after(tree, node))


def _titled(title: str, signatures: list[str], doc: str | None) -> str:
    code = "```python\n" + "\n".join(signatures) + "\n```\n\n" if signatures else ""
    return f"{title}\n\n{code}{markdown(doc)}\n"


def _class(node: ast.ClassDef, tree: ast.Module) -> str:
    made = [] if node.name in _MADE_BY_US else source.constructor(node)
    parts = [_titled(f"### `{node.name}`", made, ast.get_docstring(node))]
    if _ENUMS & {ast.unparse(base) for base in node.bases}:
        parts.append(_values(node))
    elif node.name in _RECORDS:
        parts.append(_fields(node))
    parts.append(_attributes(node, tree))
    return "\n".join(filter(None, [*parts, *_methods(node, tree)]))


def _values(node: ast.ClassDef) -> str:
    rows = [(f"`{each.name}`", f"`{each.default}`", cell(each.doc)) for each in source.fields(node)]
    if any(meaning for _, _, meaning in rows):
        return table(("Name", "Value", "Meaning"), rows)
    return table(("Name", "Value"), [row[:2] for row in rows])


def _fields(node: ast.ClassDef) -> str:
    rows = [
        (f"`{each.name}`", f"`{cell(each.type)}`", f"`{each.default}`" if each.default else "", cell(each.doc))
        for each in source.fields(node)
    ]
    return table(("Name", "Type", "Default", "Meaning"), rows)


def _attributes(node: ast.ClassDef, tree: ast.Module) -> str:
    """Properties, and the attributes that say what they are; the others are our own business."""
    told = [] if node.name in _RECORDS or _ENUMS & {ast.unparse(base) for base in node.bases} else source.fields(node)
    found: list[tuple[str, str | None]] = [(each.name, each.doc) for each in told if each.doc]
    found += [(each.name, ast.get_docstring(each)) for each in source.methods(node, tree) if source.is_property(each)]
    return "".join(f"* `.{name}` – {cell(doc)}\n" for name, doc in found)


def _methods(node: ast.ClassDef, tree: ast.Module) -> list[str]:
    """Each with its asyncio form, where that says no more than that it is one. Of overloads the last is shown."""
    found = {each.name: each for each in source.methods(node, tree) if not source.is_property(each)}
    overloads = {each.name: each for each in source.methods(node, tree) if "overload" in source.decorators(each)}
    twins = {name: twin for name in found if (twin := source.asyncio_form(name)) in found}
    shown: list[str] = []
    for name, method in found.items():
        if name in twins.values():
            continue
        forms = [name, *([twins[name]] if name in twins else [])]
        signatures = [source.signature(overloads.get(form, found[form]), f"{node.name}.{form}") for form in forms]
        title = ", ".join(f"`.{form}`" for form in forms)
        shown.append(_titled(f"#### {title}", signatures, ast.get_docstring(method)))
    return shown


def _errors(names: Iterable[str]) -> str:
    tree = source.module(ERRORS)
    rows: list[tuple[str, ...]] = []
    for name in names:
        node = source.definitions(tree, name)[0]
        assert isinstance(node, ast.ClassDef)
        bases = ", ".join(f"`{ast.unparse(base)}`" for base in node.bases)
        attributes = ", ".join(f"`{each}`" for each in source.told(node, tree))
        rows.append((f"`{name}`", bases, attributes, cell(ast.get_docstring(node))))
    return table(("Error", "Base", "Attributes", "Meaning"), rows)
