"""A task's context: nested mappings, the places in which are named by dotted paths. Pure: putting makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Notes = dict[str, Any]


def put(notes: Mapping[str, Any], path: str, value: object) -> Notes:
    """The context with a value at ``a.b.c``; mappings on the way are made. ValueError says what is in the way."""
    name, _, rest = path.partition(".")
    if not name:
        raise ValueError("a part of its key is empty")
    changed = dict(notes)
    if not rest and not path.endswith("."):
        changed[name] = value
        return changed
    inner = changed.get(name, {})
    if not isinstance(inner, dict):
        raise ValueError(f"{name!r} holds a {type(inner).__name__}, and no mapping")
    changed[name] = put(inner, rest, value)
    return changed


def get(notes: Mapping[str, Any], path: str, default: object = None) -> Any:
    """What is at ``a.b.c``; the default where there is nothing."""
    found: Any = notes
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return default
        found = found[name]
    return found
