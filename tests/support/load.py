"""Tasks submitted all the time by threads of ours, and what became of each of them."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from supervisor import TaskQueue, TaskRecord
from tests.support import bad_tasks
from tests.support.shared import ended
from tests.support.tree import RunningTree
from tests.support.waiting import until


class Load:
    """Submits tasks that note that they ran, from the moment it is entered to that at which it is left."""

    def __init__(self, tree: RunningTree, path: Path, threads: int = 2) -> None:
        self._tree = tree
        self._path = path
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._submit, args=(number,)) for number in range(threads)]
        self._faults: list[BaseException] = []
        self.accepted: dict[int, str] = {}
        """The ids of the accepted tasks, by number."""

    def _submit(self, thread: int) -> None:
        queue = TaskQueue(self._tree.dir, timeout=30.0)
        number = thread
        try:
            while not self._done.wait(0.003):
                self.accepted[number] = queue.submit(bad_tasks.note_number, str(self._path), number)
                number += len(self._threads)
        except BaseException as fault:
            self._faults.append(fault)
            raise
        finally:
            queue.close()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.more(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int, timeout: float = 30.0) -> None:
        """Wait until so many more were accepted."""
        wanted = len(self.accepted) + count
        until(lambda: len(self.accepted) >= wanted or self._faults, f"{count} more accepted tasks", timeout)
        assert not self._faults

    def records(self, timeout: float = 60.0) -> list[TaskRecord]:
        """How each accepted task ended."""
        assert not self._faults
        return [ended(self._tree.queue, task_id, timeout) for task_id in self.accepted.values()]

    def runs(self) -> Counter[int]:
        """How often each number was run."""
        return Counter(int(line.split()[0]) for line in self._path.read_text().splitlines())
