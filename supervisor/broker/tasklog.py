"""What tasks say, in the supervisor's own log: the logger ``supervisor.task``, each line with the task's id and name.

A thread writes it, for a stderr that nobody reads must not hold the queue up. What it cannot keep up with is dropped
and counted, and an attempt has no more here than is kept of it.
"""

from __future__ import annotations

import logging
import threading
import time
from queue import SimpleQueue

from supervisor.broker.kept import Kept, Shown, Text
from supervisor.core.transcript import Lines
from supervisor.ids import to_text
from supervisor.log import task_log, write_ready

_LEVELS = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}
_MOST_WAITING = 4 << 20
_JOIN_SECONDS = 2.0
_NO_MORE = "… (what else it says is not shown here)"


class TaskLog:
    """Takes lines at once, and writes them when it can."""

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        """How many characters of an attempt are shown."""
        self._least = task_log.getEffectiveLevel()
        self._texts: SimpleQueue[str | None] = SimpleQueue()
        self._waiting = 0
        """Characters that are not written yet. Approximately, for two threads count them."""
        self._dropped = 0
        self._second = (0, "")
        self._thread = threading.Thread(target=self._run, name="task log", daemon=True)
        self._thread.start()

    def tell(self, kept: Kept, texts: list[Text], *, ended: bool = False) -> None:
        """An attempt has said this."""
        if self._least > logging.INFO and all(mark.level == "info" for _, marks in texts for mark in marks):
            return  # as a rule: it was printed, and that is not to be shown
        shown = kept.shown = kept.shown or Shown(Lines(), self._limit)
        if shown.room <= 0:
            return
        lines = [line for text, marks in texts for line in shown.lines.feed(text, marks)]
        if ended:
            lines += shown.lines.finish()
        found: list[str] = []
        who = f"supervisor task {to_text(kept.entry.id)} {kept.entry.kind.name}"
        for line in lines:
            if _LEVELS.get(line.level, logging.INFO) < self._least:
                continue
            shown.room -= len(line.message) + 1
            # What has several lines is moved in, so that no task can write a line that seems to be another's.
            message = f"{line.logger}: {line.message}" if line.logger else line.message
            message = message.replace("\n", "\n    ") if shown.room > 0 else _NO_MORE
            found.append(f"[{self._stamp(line.at)}] [{kept.pid}] [{line.level.upper()}] {who}: {message}")
            if shown.room <= 0:
                break
        if found:
            self._put("\n".join(found))

    def _stamp(self, at: float) -> str:
        second, text = self._second
        if second != int(at):
            text = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))
            self._second = (int(at), text)
        return text

    def _put(self, text: str) -> None:
        if self._waiting > _MOST_WAITING:
            self._dropped += text.count("\n") + 1
            return
        if self._dropped:
            text = f"[… {self._dropped:,} lines of tasks dropped, for the log is too slow …]\n{text}"
            self._dropped = 0
        self._waiting += len(text)
        self._texts.put(text)

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            write_ready(text)
            self._waiting -= len(text)

    def close(self) -> None:
        """Write what waits, if that is a matter of moments."""
        self._texts.put(None)
        self._thread.join(_JOIN_SECONDS)
