"""Kills, stage by stage, of a real process: in which order, and when they are called off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from supervisor import signals
from supervisor.master.executioner import Executioner
from supervisor.master.worker import KillStage, WorkerHandle
from supervisor.scoreboard import Scoreboard
from supervisor.states import Cause
from supervisor.system import proc
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
LATER = 10**12
_VICTIM = f"""
import faulthandler, signal, sys
faulthandler.register({int(signals.DUMP)}, file=int(sys.argv[1]))
print("ready", flush=True)
while True:
    signal.pause()
"""


@dataclass
class Scene:
    """A worker that runs lease 5, and what its executioner tells the broker."""

    handle: WorkerHandle
    process: subprocess.Popen[str]
    told: list[tuple[str, int]] = field(default_factory=list)
    reached: bool = True

    def __post_init__(self) -> None:
        self.executioner = Executioner(self.fence, lambda lease: self.told.append(("spare", lease)))

    def fence(self, lease: int, cause: Cause) -> bool:
        self.told.append(("fence", lease))
        return self.reached

    def condemn(self, lease: int = 5) -> None:
        self.executioner.condemn(self.handle, Cause.TIMEOUT, "too long", 0, lease)

    def stage(self) -> KillStage | None:
        return self.handle.kill.stage if self.handle.kill else None

    def wait_for(self, states: str) -> None:
        until(lambda: proc.state(self.process.pid) in tuple(states), f"state {states}", 20.0)


@pytest.fixture
def scene() -> Iterator[Scene]:
    board = Scoreboard.create()
    stack = os.memfd_create("stack")
    with subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(stack)], pass_fds=[stack], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        slot = board.slots[1]
        slot.claim(5, 5000)
        slot.start(5, 1, 1, 5000, 0)
        handle = WorkerHandle(1, 0, slot, 1, 0, 0, 0, talk=-1, raw=-1, stack_file=stack)
        handle.who = proc.identity(process.pid)
        yield Scene(handle, process)
        process.kill()
    os.close(stack)
    os.close(board.descriptor)


WAITS = b"Current thread 0x00007f12 (most recent call first):\n  <no Python frame>\n"
RUNS = b'Thread 0x00007f13 (most recent call first):\n  File "tasks.py", line 3 in hang\n'


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        (b"", False),
        (b"Current thread 0x", False),
        (RUNS[:-1], False),
        (RUNS[:40], False),
        (RUNS.partition(b"\n")[0] + b"\n", False),
        (WAITS, False),
        (WAITS + b"\n" + RUNS[:30], False),
        (RUNS, True),
        (WAITS + b"\n" + RUNS, True),
        (RUNS + b"\n" + WAITS, True),
    ],
)
def test_a_stack_that_is_still_being_written_is_not_taken_for_a_whole_one(
    scene: Scene, written: bytes, whole: bool
) -> None:
    os.write(scene.handle.stack_file, written)
    assert scene.handle.has_whole_stack() is whole


def test_a_kill_goes_from_the_fence_over_the_stop_and_the_dump_to_its_end(scene: Scene) -> None:
    scene.condemn()
    assert (scene.told, scene.stage()) == ([("fence", 5)], KillStage.FENCING)
    assert proc.state(scene.process.pid) in ("S", "R"), "the fence comes first"
    scene.executioner.fenced(scene.handle, 5, True, 0)
    scene.wait_for("T")
    scene.executioner.stopped(scene.handle, 0)
    assert scene.stage() is KillStage.DUMPING
    until(scene.handle.read_stack, "the stack", 20.0)
    scene.executioner.step(scene.handle, 0)
    scene.executioner.step(scene.handle, 0)
    assert scene.stage() is KillStage.KILLED
    assert scene.process.wait(20) == -signal.SIGKILL
    assert scene.handle.kill is not None
    assert 'File "<string>"' in (scene.handle.kill.stack or "")


def test_a_worker_that_gets_no_cpu_is_given_more_time_for_its_stack_and_one_that_wants_none_is_not(
    scene: Scene,
) -> None:
    scene.executioner.condemn(scene.handle, Cause.TIMEOUT, "too long", 0, 5)
    scene.executioner.fenced(scene.handle, 5, True, 0)
    scene.wait_for("T")
    scene.executioner.stopped(scene.handle, 0)
    assert scene.stage() is KillStage.DUMPING
    kill = scene.handle.kill
    assert kill is not None
    until(scene.handle.read_stack, "the stack", 20.0)
    os.ftruncate(scene.handle.stack_file, 0)  # as if it had not come to write it
    used = proc.cpu_ns(scene.process.pid)
    assert used > 0
    with spinning() as pid:
        scene.handle.who = proc.identity(pid)
        kill.cpu_ns = proc.cpu_ns(pid) + 10**9  # it has got nothing since
        scene.executioner.step(scene.handle, 25_000_000)
        assert scene.stage() is KillStage.DUMPING
        kill.cpu_ns = 0  # it has got enough
        until(lambda: proc.cpu_ns(pid) > 20_000_000, "some CPU", 20.0)
        assert not scene.executioner._starves(scene.handle, kill, 30_000_000)
        kill.cpu_ns = proc.cpu_ns(pid) + 10**9
        assert not scene.executioner._starves(scene.handle, kill, 80_000_000), "there is an end to that, too"
    scene.handle.who = proc.identity(scene.process.pid)
    scene.wait_for("S")
    kill.cpu_ns = proc.cpu_ns(scene.process.pid)
    scene.executioner.step(scene.handle, 35_000_000)
    assert scene.stage() is KillStage.KILLED, "it sleeps, so it is not for want of CPU"


@contextmanager
def spinning() -> Iterator[int]:
    """A process that wants all the CPU it can get; its pid."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        until(lambda: proc.state(process.pid) == "R", "it to run", 20.0)
        yield process.pid
        process.kill()


def test_a_broker_that_does_not_answer_delays_a_kill_and_does_not_prevent_it(scene: Scene) -> None:
    """No dump then: the signal makes a hung call return, and the task would succeed after its deadline."""
    scene.condemn()
    for turn, stage in enumerate((KillStage.STOPPING, KillStage.HOLDING, KillStage.KILLED), 1):
        scene.executioner.step(scene.handle, turn * LATER)
        assert scene.stage() is stage
        if stage is KillStage.STOPPING:
            scene.wait_for("T")
    assert scene.process.wait(20) == -signal.SIGKILL
    assert scene.handle.kill is not None
    assert "too busy" in (scene.handle.kill.stack or "")


def test_a_broker_that_answers_late_lets_the_kill_go_on(scene: Scene) -> None:
    scene.condemn()
    scene.executioner.step(scene.handle, LATER)
    scene.wait_for("T")
    scene.executioner.stopped(scene.handle, LATER)
    assert scene.stage() is KillStage.HOLDING
    scene.executioner.fenced(scene.handle, 5, True, LATER)
    assert scene.stage() is KillStage.DUMPING


def test_without_a_broker_the_worker_is_stopped_at_once(scene: Scene) -> None:
    scene.reached = False
    scene.condemn()
    assert scene.stage() is KillStage.STOPPING
    scene.wait_for("T")
    scene.executioner.stopped(scene.handle, 0)
    assert scene.stage() is KillStage.DUMPING, "the next broker hears of the fence before anything else"


def test_a_task_that_ended_before_the_fence_is_excused(scene: Scene) -> None:
    scene.condemn()
    scene.executioner.fenced(scene.handle, 5, False, 0)
    assert (scene.handle.kill, scene.handle.excused, scene.told) == (None, 5, [("fence", 5)])


def test_a_worker_that_went_on_before_it_was_stopped_is_spared_and_the_broker_is_told(scene: Scene) -> None:
    """The broker has fenced the lease by then: without the word it would wait for the kill for ever."""
    scene.condemn()
    scene.executioner.fenced(scene.handle, 5, True, 0)
    scene.handle.slot.finish()
    scene.wait_for("T")
    scene.executioner.stopped(scene.handle, 0)
    assert (scene.handle.kill, scene.handle.excused) == (None, 5)
    assert scene.told == [("fence", 5), ("spare", 5)]
    scene.wait_for("SR")


def test_a_broker_that_answers_late_that_the_task_had_ended_calls_the_kill_off_in_time(scene: Scene) -> None:
    """Its report was there before the fence."""
    scene.condemn()
    scene.executioner.step(scene.handle, LATER)
    scene.wait_for("T")
    scene.executioner.stopped(scene.handle, 0)
    os.write(scene.handle.stack_file, b"written just before the deadline, for a task with a limit over a second")
    scene.executioner.fenced(scene.handle, 5, False, 0)
    assert scene.handle.kill is None
    assert scene.handle.read_stack() is None, "the next kill finds no old stack"
    scene.executioner.step(scene.handle, 2 * LATER)
    scene.wait_for("SR")


def test_a_kill_for_whatever_a_worker_does_asks_for_no_second_look(scene: Scene) -> None:
    scene.condemn(lease=0)
    assert scene.told == [("fence", 5)]
    scene.executioner.fenced(scene.handle, 5, False, 0)
    scene.wait_for("T")
    scene.executioner.stopped(scene.handle, 0)
    assert scene.process.wait(20) == -signal.SIGKILL


def test_a_worker_is_condemned_once(scene: Scene) -> None:
    scene.condemn()
    scene.executioner.condemn(scene.handle, Cause.MEMORY, "again", 0, 5)
    assert scene.told == [("fence", 5)]
    assert scene.handle.kill is not None
    assert scene.handle.kill.cause is Cause.TIMEOUT
