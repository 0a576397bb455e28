"""The stacks of a worker: written by itself when it crashes, and when the master asks for them.

Answered in C, so also while C code holds the interpreter. A task may block every signal in its own thread: then the
kernel hands the master's to a thread of ours, which does nothing else than not to block it. (A watchdog by
``faulthandler.dump_traceback_later``, armed for each task, takes 15 µs to arm and 100 µs to disarm.)
"""

from __future__ import annotations

import _thread
import faulthandler
import signal
import time

from supervisor import signals

_FOR_EVER = 1e9


def listen(stack_file: int) -> None:
    """Be ready to write stacks into this file."""
    faulthandler.enable(file=stack_file, all_threads=True)
    faulthandler.register(signals.DUMP, file=stack_file, all_threads=True, chain=False)
    # All other signals are for the main thread: one that came to this one would interrupt nothing there.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signals.DUMP})
    try:
        # Not a `threading.Thread`: whoever counts or joins those has nothing to do with it. It has no Python frame, and
        # by that its part of a stack is known.
        _thread.start_new_thread(time.sleep, (_FOR_EVER,))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
