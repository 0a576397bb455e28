"""Limits that are changed while tasks run and wait under them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.agenda import Agenda
from supervisor.core.book import Book
from supervisor.core.capacity import Capacity
from supervisor.core.dealer import BatchPolicy
from supervisor.core.keys import Keys, Limit
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.moment import Moment
from supervisor.states import State
from supervisor.wire.messages import Hello, Outcome, Report, Submission

NOW = Moment(1000.0, 1_700_000_000.0)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.one_of(st.none(), st.integers(0, 4))),
            st.tuples(st.just("end"), st.integers(0, 9)),
            st.tuples(st.just("submit"), st.integers(1, 4)),
        ),
        max_size=40,
    )
)
def test_a_limit_that_is_set_holds_from_then_on_and_nobody_waits_for_ever(steps: list[tuple[str, int | None]]) -> None:
    book = Book(Agenda(Kinds(Defaults()), Capacity(1000)), BatchPolicy(1))
    now, said, most, serial = NOW, 2, 2, 0
    workers = [book.hello(Hello(number, number, number, 1)) for number in range(1, 9)]
    for worker in workers:
        book.ask(worker, 1, now)

    def settle(seconds: float = 1.0) -> None:
        nonlocal now
        now = Moment(now.mono + seconds, now.wall + seconds)
        before = len(book.leases)
        book.agenda.tick(now)
        book.assign(now)
        assert len(book.leases) <= max(most, before), "nobody is begun above the limit"
        waits = sum(entry.state is State.QUEUED for entry in book.agenda.tasks.values())
        assert len(book.leases) >= min(most, waits + len(book.leases), 8), "nobody waits below it"

    for action, number in steps:
        if action == "set":
            most = said if number is None else number
            book.agenda.waiting.gates.set_limit("pool", number, now.mono)
        elif action == "submit":
            for _ in range(number or 0):
                serial += 1
                keys = Keys(limit=Limit("pool", said))
                book.agenda.submit(Submission(serial.to_bytes(16, "big"), "a", b"", keys=keys), now)
        elif book.leases:
            lease = list(book.leases.values())[(number or 0) % len(book.leases)]
            worker = book.workers[lease.worker]
            book.complete(worker, Report(lease.number, Outcome.SUCCEEDED), now)
            book.ask(worker, 1, now)
        settle()
    book.agenda.waiting.gates.set_limit("pool", None, now.mono)
    most = said
    while book.agenda.tasks:
        left = len(book.agenda.tasks)
        settle()
        for lease in list(book.leases.values()):
            worker = book.workers[lease.worker]
            book.complete(worker, Report(lease.number, Outcome.SUCCEEDED), now)
            book.ask(worker, 1, now)
        assert len(book.agenda.tasks) < left
