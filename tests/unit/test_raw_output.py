"""The raw pipe has two readers, the worker and the broker: whichever it was, a line is its own attempt's."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing

from supervisor.broker.output import read_raw
from supervisor.scoreboard import Scoreboard
from supervisor.wire.talk import TalkBuffer

ATTEMPTS = 20_000


def both_readers(board: Scoreboard, talk: int, raw: int) -> Generator[tuple[int, bytes]]:
    """What the worker took with it and what we found, by the lease it is said to be of, until both pipes end."""
    frames = TalkBuffer()
    os.set_blocking(raw, False)
    open_pipes = {talk, raw}
    while open_pipes:
        for pipe in select.select(list(open_pipes), [], [], 10.0)[0]:
            try:
                lease, data = read_raw(board.slots[0], pipe) if pipe == raw else (0, os.read(pipe, 1 << 20))
            except BlockingIOError:
                continue  # the worker was faster
            if not data:
                open_pipes.discard(pipe)
            elif pipe == raw:
                yield lease, data
            else:
                yield from ((said.lease, said.data) for said in frames.feed(data))


def test_what_is_read_while_a_batch_goes_on_is_of_the_attempt_that_printed_it() -> None:
    board = Scoreboard.create()
    (talk, talk_end), (raw, raw_end) = os.pipe(), os.pipe()
    ends = [talk_end, raw_end]
    arguments = map(str, (board.descriptor, *ends, ATTEMPTS))
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.support.raw_printing", *arguments], pass_fds=[board.descriptor, *ends]
    )
    for end in ends:
        os.close(end)
    with os.fdopen(talk), os.fdopen(raw), closing(both_readers(board, talk, raw)) as found:
        try:
            said = [(lease, int(line)) for lease, data in found for line in data.splitlines()]
        finally:
            worker.kill()
            worker.wait(10.0)
    assert [number for _, number in sorted(said)] == list(range(1, ATTEMPTS + 1))
    assert [(lease, number) for lease, number in said if lease != number] == []


def test_what_a_broker_that_died_at_it_read_for_holds_up_nobody_for_long() -> None:
    slot = Scoreboard.create().slots[0]
    slot.start(1, 1, 0, 0, 0)
    assert slot.read_begins() == 1
    assert not slot.read_by_mistake(1)
    slot.start(2, 2, 0, 0, 0)
    assert slot.read_by_mistake(2)
    slot.read_ended()  # as the next broker does when it is given the pipes
    assert not slot.read_by_mistake(2)
