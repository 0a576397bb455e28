"""One measurement of one peer, in a process of its own: ``python -m scripts.benchmarks.drive PEER MEASURE COUNT``."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from scripts.benchmarks.marks import VARIABLE, Marks
from scripts.benchmarks.peer import Figure, Peer

_LONGEST = 300.0
_SAMPLE = 20


def drain(peer: Peer, count: int) -> float:
    """Tasks a second of a queue that was filled before; each has run once, and its result is kept."""
    marks = Marks(Path(os.environ[VARIABLE]), count)
    with peer.open():
        peer.submit(range(count))
        with peer.work():
            until = time.monotonic() + _LONGEST
            while marks.count() < count:
                if time.monotonic() > until:
                    raise RuntimeError(f"only {marks.count()} of {count} have run")
                time.sleep(0.02)
            for number in range(0, count, max(1, count // _SAMPLE)):
                if peer.result(number) != number:
                    raise RuntimeError(f"the result of {number} is {peer.result(number)!r}")
    if not marks.exact():
        raise RuntimeError("some have run more often than once")
    return count / marks.seconds()


def submits(peer: Peer, count: int) -> float:
    """Acknowledged submits a second, one after the other, with nobody at work."""
    Marks(Path(os.environ[VARIABLE]), count + _SAMPLE)
    with peer.open():
        for number in range(_SAMPLE):
            peer.submit_one(number)
        began = time.perf_counter()
        for number in range(_SAMPLE, count + _SAMPLE):
            peer.submit_one(number)
        return count / (time.perf_counter() - began)


def starts(peer: Peer, count: int) -> float:
    """How many times a second a task could have begun to run one after the other: the inverse of the median time from
    a submit on an idle queue to the first line of the task, so that more is better everywhere.
    """
    marks = Marks(Path(os.environ[VARIABLE]), count + _SAMPLE)
    spent: list[float] = []
    with peer.open(), peer.work():
        for number in range(count + _SAMPLE):
            began = time.monotonic_ns()
            peer.submit_one(number)
            until = time.monotonic() + _LONGEST
            while marks.count() <= number:
                if time.monotonic() > until:
                    raise RuntimeError(f"task {number} does not run")
                time.sleep(0.0005)
            spent.append((marks.last_ns() - began) / 1e9)
            time.sleep(0.002)  # whoever has just run it goes to sleep again
    return 1 / statistics.median(spent[_SAMPLE:])


MEASURES: dict[str, Callable[[Peer, int], float]] = {"drain": drain, "submits": submits, "starts": starts}


def main(name: str, measure: str, count: int) -> None:
    """Print the figure as JSON."""
    peer: Peer = importlib.import_module(f"scripts.benchmarks.peers.{name}").PEER
    value = MEASURES[measure](peer, count)
    print(json.dumps(dataclasses.asdict(Figure(name, measure, value, peer.durability, peer.settings))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
