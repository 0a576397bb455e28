"""Which generation of the code this process runs.

The arbiter learns it when the code is reloaded, before it forks the web workers of the new code, which inherit it.
Their submits are stamped with it, and workers of older code leave those alone. 0 (a script, say) means any.
"""

from __future__ import annotations

_generation = 0


def get() -> int:
    """The generation that submits of this process are stamped with."""
    return _generation


def put(generation: int) -> None:
    """This process, and what it forks from now on, runs that generation."""
    global _generation  # noqa: PLW0603  a fact about the process, inherited by fork
    _generation = generation
