"""procrastinate with PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from procrastinate import App, PsycopgConnector

from scripts.benchmarks import marks
from scripts.benchmarks.peer import POSTGRES, WORKERS, programs

_URL = f"host={POSTGRES} dbname=postgres user=postgres"
app: Any = App(connector=PsycopgConnector(conninfo=_URL))


@app.task(name="noop", queue="bench")
def noop(number: int) -> int:
    """Does nothing."""
    return marks.note(number)


class Peer:
    """A database of its own."""

    durability = "fsynced before it is accepted (PostgreSQL)"
    settings = "two processes, 10 jobs at a time in each; it keeps no results"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Its tables."""
        with app.open():
            app.schema_manager.apply_schema()
            yield

    def submit(self, numbers: Iterable[int]) -> None:
        """A thousand a statement."""
        found = list(numbers)
        for first in range(0, len(found), 1000):
            part = found[first : first + 1000]
            noop.batch_defer(*({"number": number} for number in part))

    def submit_one(self, number: int) -> None:
        """As an application does."""
        noop.defer(number=number)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Two worker processes."""
        module = "scripts.benchmarks.peers.procrastinate_postgres.app"
        worker = ["procrastinate", "--app", module, "worker", "--concurrency", "10"]
        with programs(*[worker] * WORKERS):
            yield

    def result(self, number: int) -> object:
        """It keeps none; the benchmark's own marks say that it has run."""
        return number


PEER = Peer()
