"""Things that stay themselves when they are serialised: a task of the in-process mode may hold the test's own queue.

In a real tree it could not. But there a test has no clock to move, which is what it is held for.
"""

from __future__ import annotations

import pickle
from typing import Any
from weakref import WeakValueDictionary

_known: WeakValueDictionary[int, Itself] = WeakValueDictionary()


class Itself:
    """Crosses, within this process, as a reference to itself."""

    def __reduce__(self) -> Any:
        _known[id(self)] = self
        return _find, (id(self),)


def _find(number: int) -> Itself:
    found = _known.get(number)
    if found is None:
        raise pickle.UnpicklingError("it is a queue for tests, or its clock, of another process or test")
    return found
