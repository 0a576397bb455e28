"""Task ids: their order, that there are no two, and what people may write for one."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import subprocess
import sys
import threading
import time
import uuid
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.ids import from_text, new_id, to_text

# Only a thread of the test runner's own is alive beside us, and it takes no lock that a child would want.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

ROOT = Path(__file__).parents[2]
COUNT = 5000


def test_an_id_is_a_uuid_of_version_7_with_the_time_it_was_made_at() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(bytes=new_id())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_are_ordered_by_the_time_they_were_made_at() -> None:
    made = [new_id() for _ in range(COUNT)]
    times = [int.from_bytes(each, "big") >> 64 for each in made]
    assert times == sorted(times), "the clock's part never goes back while the clock does not"
    apart: list[bytes] = []
    for _ in range(100):
        moment = time.time_ns()
        while time.time_ns() < moment + 1000:
            pass
        apart.append(new_id())
    assert apart == sorted(apart), "a microsecond apart, ids of one process keep their order"


def test_threads_never_make_the_same_id() -> None:
    made: list[list[bytes]] = [[] for _ in range(8)]
    start = threading.Barrier(8)

    def make(mine: list[bytes]) -> None:
        start.wait(20)
        mine += [new_id() for _ in range(COUNT)]

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*itertools.chain(*made)}) == 8 * COUNT


def _send_tails(end: Connection) -> None:
    end.send([new_id()[9:] for _ in range(COUNT)])


def test_a_forked_process_goes_on_with_other_ids_than_its_parent() -> None:
    new_id()
    fork = multiprocessing.get_context("fork")
    ends = [fork.Pipe(duplex=False) for _ in range(3)]
    children = [fork.Process(target=_send_tails, args=(theirs,)) for _, theirs in ends]
    for child in children:
        child.start()
    tails = [new_id()[9:] for _ in range(COUNT)]
    for ours, _ in ends:
        assert ours.poll(30)
        tails += ours.recv()
    for child in children:
        child.join(30)
    for end in itertools.chain(*ends):
        end.close()
    assert len(set(tails)) == 4 * COUNT, "the random part alone tells them apart"


def test_an_application_that_seeds_its_random_numbers_gets_no_id_twice() -> None:
    random.seed(1)
    state = random.getstate()
    first = [new_id()[9:] for _ in range(10)]
    assert random.getstate() == state
    random.seed(1)
    assert not set(first) & {new_id()[9:] for _ in range(10)}


def test_two_programs_with_one_seed_make_different_ids() -> None:
    code = "import random; random.seed(1); from supervisor.ids import new_id; print(new_id()[9:].hex())"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT) for _ in range(2)]
    assert runs[0].stdout != runs[1].stdout


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_read_back_from_its_text_with_dashes_and_in_capitals_too(task_id: bytes) -> None:
    assert len(to_text(task_id)) == 32
    assert from_text(to_text(task_id)) == task_id
    assert from_text(to_text(task_id).upper()) == task_id
    assert from_text(str(uuid.UUID(bytes=task_id))) == task_id


@pytest.mark.parametrize("wrong", ["", "x", "ab" * 15, "ab" * 17, "zz" * 16, "é" * 32, None, 5, b"ab" * 16, object()])
def test_what_is_no_id_is_none(wrong: object) -> None:
    assert from_text(wrong) is None  # type: ignore[arg-type]
