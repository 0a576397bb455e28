"""The known name that a wrong one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name closest to `word`, forgiving case and hyphens; None when nothing is close."""
    names = {_folded(name): name for name in known}
    found = get_close_matches(_folded(word), names, n=1, cutoff=0.6)
    return names[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: a question, or nothing when no name is close."""
    name = nearest(word, known)
    return f"did you mean {name!r}?" if name else ""


def _folded(word: str) -> str:
    return word.strip().lower().replace("-", "_")
