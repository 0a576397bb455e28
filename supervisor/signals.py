"""The signals that the master sends its workers, and the guardian what shows metrics.

Real-time signals, so that nothing a task may use for itself (USR1, USR2, ALRM …) is taken from it.
"""

from __future__ import annotations

import signal

DUMP = signal.SIGRTMIN + 5
"""Write the stack to the stack file; handled in C, so also while C code holds the interpreter."""
RETIRE = signal.SIGRTMIN + 6
"""Leave after the task at hand."""
CANCEL = signal.SIGRTMIN + 7
"""Raise TaskCancelledError in the task, if it is still the one that the scoreboard names."""
END = signal.SIGRTMIN + 8
"""To what shows metrics: the tree has ended. TERM reaches all processes of a unit at once, when it is only about to."""
