"""The scoreboard: what is read while it is written, what is due when, and by whom it can be seen."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.scoreboard import SLOTS, Claim, Header, Held, Running, Scoreboard, Slot, Word
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
NUMBER = st.integers(0, 2**64 - 1)


@pytest.fixture
def slot(board: Scoreboard) -> Slot:
    return board.slots[7]


# -- what is written can be read --------------------------------------------------------------------------------


@given(lease=NUMBER, seq=NUMBER, started=NUMBER, deadline=NUMBER, memory=NUMBER)
def test_what_a_worker_and_the_broker_wrote_is_read_as_it_was_written(
    lease: int, seq: int, started: int, deadline: int, memory: int
) -> None:
    board = Scoreboard.create()
    slot, neighbours = board.slots[3], (board.slots[2], board.slots[4])
    slot.start(lease, seq, started, deadline, memory)
    slot.claim(lease, deadline)
    assert slot.running() == Running(lease, seq, started, deadline, memory, running=True)
    assert slot.claimed() == Claim(lease, deadline)
    for neighbour in neighbours:
        assert neighbour.running() == Running(0, 0, 0, 0, 0, running=False)
        assert neighbour.claimed() == Claim(0, 0)
    os.close(board.descriptor)


def test_the_lease_stays_readable_after_its_task_ended_and_the_task_is_counted(slot: Slot) -> None:
    for lease in (5, 6):
        slot.start(lease, 1, 2, 3, 4)
        slot.finish()
    assert slot.running() == Running(6, 1, 2, 3, 4, running=False)
    assert slot.get(Word.DONE) == 2


def test_no_two_words_of_a_slot_share_their_place() -> None:
    assert len(set(Word)) == len(Word.__members__)
    assert len(set(Header)) == len(Header.__members__)


def test_a_slot_that_is_given_to_another_worker_tells_nothing_of_the_one_before(board: Scoreboard, slot: Slot) -> None:
    slot.start(9, 9, 9, 9, 9)
    slot.claim(9, 9)
    for word in Word:
        slot.put(word, slot.get(word) or 1)
    slot.clear(12)
    assert slot.get(Word.WORKER) == 12
    assert not any(slot.get(word) for word in Word if word is not Word.WORKER)
    assert slot.held() == Held(0, 0)


# -- what is due ------------------------------------------------------------------------------------------------


def test_a_worker_with_nothing_has_no_deadline(slot: Slot) -> None:
    assert slot.held() == Held(0, 0)


def test_a_claim_has_its_deadline_before_the_worker_said_a_word_of_it(slot: Slot) -> None:
    slot.claim(5, 5000)
    assert slot.held() == Held(5, 5000)


def test_from_its_start_on_a_task_has_the_deadline_that_the_worker_gives_it(slot: Slot) -> None:
    slot.claim(5, 5000)
    slot.start(5, 1, 100, 5000, 0)
    assert slot.held() == Held(5, 5000)
    slot.finish()
    assert slot.held() == Held(0, 0)
    slot.start(6, 2, 200, 5200, 0)
    assert slot.held() == Held(6, 5200), "later tasks of a batch run their deadline from their start"
    slot.finish()
    slot.claim(9, 9000)
    assert slot.held() == Held(9, 9000)


def test_a_claim_that_never_reached_the_worker_is_not_due(slot: Slot) -> None:
    slot.start(4, 1, 1, 1, 0)
    slot.finish()
    slot.claim(5, 5000)
    slot.unclaim()
    assert slot.held() == Held(0, 0)


def test_a_claim_takes_back_what_was_revoked_of_the_one_before(slot: Slot) -> None:
    slot.claim(5, 5000)
    slot.revoke(7)
    assert slot.get(Word.REVOKED_FROM) == 7
    slot.claim(9, 9000)
    assert slot.get(Word.REVOKED_FROM) == 0


# -- writers that die in the middle -----------------------------------------------------------------------------


def test_a_worker_that_died_in_the_middle_of_a_write_is_told_apart_and_its_claim_is_still_due(slot: Slot) -> None:
    slot.claim(5, 5000)
    slot.put(Word.VERSION, 1)
    slot.put(Word.LEASE, 5)
    assert slot.running() is None
    assert slot.held() == Held(5, 5000)


def test_a_broker_that_died_in_the_middle_of_a_write_is_told_apart_and_what_runs_is_still_due(slot: Slot) -> None:
    slot.claim(5, 5000)
    slot.start(5, 1, 1, 5000, 0)
    slot.put(Word.CLAIM_VERSION, slot.get(Word.CLAIM_VERSION) + 1)
    slot.put(Word.CLAIM_LEASE, 6)
    assert slot.claimed() is None
    assert slot.held() == Held(5, 5000)


@pytest.mark.parametrize("write", ["claim", "unclaim"])
def test_the_next_broker_writes_over_what_a_dead_one_left_half_written(slot: Slot, write: str) -> None:
    slot.claim(5, 5000)
    slot.put(Word.CLAIM_VERSION, slot.get(Word.CLAIM_VERSION) + 1)
    for lease in (6, 7, 8):
        slot.unclaim() if write == "unclaim" else slot.claim(lease, 1000 * lease)
        assert slot.claimed() == (Claim(0, 0) if write == "unclaim" else Claim(lease, 1000 * lease))


def test_when_both_writers_died_in_the_middle_nothing_is_known_to_be_held(slot: Slot) -> None:
    slot.put(Word.VERSION, 1)
    slot.put(Word.CLAIM_VERSION, 1)
    assert slot.held() == Held(0, 0)


# -- other processes --------------------------------------------------------------------------------------------

_WRITER = """
import sys
from supervisor.scoreboard import Scoreboard
slot = Scoreboard.attach(int(sys.argv[1])).slots[7]
number = 0
while True:
    number += 1
    slot.claim(number, number)
    slot.start(number, number, number, number, number)
    slot.finish()
"""


def test_another_process_that_writes_all_the_time_is_never_read_torn_and_its_death_is_survived(
    board: Scoreboard, slot: Slot
) -> None:
    command = [sys.executable, "-c", _WRITER, str(board.descriptor)]
    with subprocess.Popen(command, pass_fds=[board.descriptor], cwd=ROOT) as writer:
        try:
            until(lambda: slot.get(Word.DONE), "the first write", 30.0)
            begun = slot.get(Word.DONE)
            while slot.get(Word.DONE) < begun + 20_000:
                running, claim = slot.running(), slot.claimed()
                if running is not None:
                    assert running.lease == running.seq == running.started_ns == running.deadline_ns == running.memory
                if claim is not None:
                    assert claim.lease == claim.deadline_ns
        finally:
            writer.send_signal(signal.SIGKILL)
    last = slot.get(Word.LEASE)
    slot.claim(last + 1, 77)
    assert slot.claimed() == Claim(last + 1, 77)


def test_the_header_is_seen_by_a_thread_and_by_a_second_mapping(board: Scoreboard) -> None:
    other = Scoreboard.attach(board.descriptor)
    thread = threading.Thread(target=board.put, args=(Header.MASTER_PID, 4711))
    thread.start()
    thread.join()
    assert other.get(Header.MASTER_PID) == 4711


def test_the_table_has_no_name_and_is_not_inherited_unless_handed_down(board: Scoreboard) -> None:
    assert not os.get_inheritable(board.descriptor)
    assert "memfd:" in os.readlink(f"/proc/self/fd/{board.descriptor}")


def test_something_else_is_refused_as_a_scoreboard(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size, message in ((100, "mmap length"), (1 << 20, "no scoreboard")):
        path.write_bytes(bytes(size))
        with path.open("r+b") as file, pytest.raises(ValueError, match=message):
            Scoreboard.attach(file.fileno())


def test_a_new_tree_finds_the_table_empty_and_as_small_as_it_was(board: Scoreboard) -> None:
    for slot in board.slots:
        slot.start(1, 1, 1, 1, 1)
    used = os.fstat(board.descriptor).st_blocks
    board.put(Header.GUARDIAN_PID, 1)
    board.clear()
    assert os.fstat(board.descriptor).st_blocks * 512 <= mmap.PAGESIZE < used * 512
    assert Scoreboard.attach(board.descriptor).get(Header.GUARDIAN_PID) == 0
    assert len(board.slots) == SLOTS
    assert all(slot.held() == Held(0, 0) and slot.get(Word.LEASE) == 0 for slot in board.slots)
