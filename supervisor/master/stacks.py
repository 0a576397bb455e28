"""The stack of a worker that somebody wants to see, while it goes on.

It takes two requests, since the master waits for nobody: one has it written, the other takes what was written.
"""

from __future__ import annotations

import os

from supervisor import signals
from supervisor.master.worker import Stage, WorkerHandle


def answer(handle: WorkerHandle | None, *, take: bool) -> dict[str, object]:
    """Have a worker write its stack, or ``take`` what it wrote: ``stack`` is None while that is not whole."""
    if handle is None or handle.stage is not Stage.READY:
        return {"error": "there is no such worker"}
    if handle.kill is not None:
        return {"error": "it is being killed; its stack will be with its task"}
    if take:
        whole = handle.stack_asked and handle.has_whole_stack()
        found = handle.read_stack() if whole else None
        if whole:
            forget(handle)
        return {"stack": found}
    forget(handle)
    handle.stack_asked = True
    handle.send(signals.DUMP)
    return {"stack": None}


def forget(handle: WorkerHandle) -> None:
    """Empty the file, where somebody has asked for what is in it."""
    if handle.stack_asked:
        handle.stack_asked = False
        os.ftruncate(handle.stack_file, 0)
