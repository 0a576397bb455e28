"""A supervisor of a process's own: started with it, ended with it, however it ends."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import supervisor
from supervisor import AlreadyRunningError, LocalTreeError, State, TaskCancelledError, TaskConfig, TaskQueue
from supervisor.system import proc
from tests.support import tasks
from tests.support.command import environment
from tests.support.shared import written
from tests.support.waiting import until

WAIT = 60.0
REPOSITORY = Path(__file__).parent.parent.parent


@contextmanager
def script(folder: Path, code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A script in a process of its own; killed at the end if it still lives."""
    path = folder / "script.py"
    path.write_text(textwrap.dedent(code))
    command = [sys.executable, str(path), *map(str, arguments)]
    paths = f"{REPOSITORY}:{os.environ.get('PYTHONPATH', '')}"
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment({"PYTHONPATH": paths})
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def family(pid: int) -> list[proc.Identity]:
    """A process and all that descends from it."""
    found = (proc.identity(each) for each in [pid, *proc.descendants(pid)])
    return [who for who in found if who is not None]


def gone(processes: list[proc.Identity], timeout: float = WAIT) -> None:
    """Wait until none of these lives."""
    until(lambda: not any(map(proc.is_alive, processes)), "the end of every process of the tree", timeout)


# -- with blocks -------------------------------------------------------------------------------------------------


def test_a_with_block_has_a_supervisor_of_its_own() -> None:
    before = supervisor.queue.directory
    with TaskQueue.local(workers=2, tasks="tests.support.tasks") as queue:
        directory, processes = queue.directory, family(os.getpid())[1:]
        until(lambda: len(queue.workers()) == 2, "the second worker")  # it starts with the first
        assert queue.wait(queue.submit(lambda: 6 * 7), WAIT).result == 42
        assert tasks.add.delay(2, 3).result(WAIT) == 5, "the ready queue uses it as well"
        assert queue.wait(queue.enqueue("tests.support.tasks.add", {"left": 1, "right": 1}), WAIT).result == 2
    assert supervisor.queue.directory == before
    assert not directory.exists()
    gone(processes, 5.0)


def test_the_ready_queue_uses_one_that_runs_in_whatever_order_they_end() -> None:
    before = supervisor.queue.directory
    first, second = TaskQueue.local(workers=1), TaskQueue.local(workers=1)
    for queue in (first, second):
        queue.stats()
        assert supervisor.queue.directory == queue.directory, "the latest"
    first.close()
    assert supervisor.queue.directory == second.directory
    second.close()
    assert supervisor.queue.directory == before


def test_async_with_does_not_hold_up_the_event_loop() -> None:
    async def main() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with TaskQueue.local(workers=1) as queue:
            assert ticks > 5, "others went on while it started"
            assert (await queue.await_(await queue.asubmit(lambda: "ran"), WAIT)).result == "ran"
            processes, before = family(os.getpid())[1:], ticks
        assert ticks > before + 2, "and while it ended"
        ticking.cancel()
        gone(processes, 5.0)

    asyncio.run(main())


def test_without_a_block_it_starts_when_it_is_needed_and_ends_when_it_is_closed() -> None:
    queue, before = TaskQueue.local(workers=1), set(proc.children(os.getpid()))
    try:
        first = queue.wait(queue.submit(os.getppid), WAIT).result
        queue.close()
        assert not set(proc.children(os.getpid())) - before
        assert queue.wait(queue.submit(os.getppid), WAIT).result != first, "another one"
    finally:
        queue.close()


def test_a_named_directory_keeps_what_is_in_the_queue(tmp_path: Path) -> None:
    with TaskQueue.local(workers=1, dir=tmp_path / "sv") as queue:
        done = queue.submit(lambda: "before")
        queue.wait(done, WAIT)
        later = queue.submit(lambda: "after", config=TaskConfig(delay=2.0))
        with pytest.raises(AlreadyRunningError), TaskQueue.local(workers=1, dir=tmp_path / "sv"):
            pass
    with TaskQueue.local(workers=1, dir=tmp_path / "sv") as queue:
        assert queue.wait(later, WAIT).result == "after"
        known = queue.get_result(done)
        assert known is not None
        assert known.result == "before"


def test_leaving_gives_what_runs_its_grace_time_and_no_more(tmp_path: Path) -> None:
    with TaskQueue.local(workers=2, dir=tmp_path / "sv", grace=1.0) as queue:
        long = queue.submit(tasks.sleep, 600, str(tmp_path / "pid"))
        written(tmp_path / "pid")
        started = time.monotonic()
    assert 0.9 < time.monotonic() - started < 20
    with TaskQueue.local(workers=1, dir=tmp_path / "sv") as queue:
        record = queue.get_task(long)
        assert record is not None
        assert record.state in (State.QUEUED, State.RUNNING), "it was put back"
        assert record.attempt <= 1
        queue.cancel(long)


def test_tasks_that_cannot_be_imported_are_an_error_with_the_reason(tmp_path: Path) -> None:
    before = set(proc.children(os.getpid()))
    queue = TaskQueue.local(workers=1, tasks="no_such_module_here", log_level="critical")
    with pytest.raises(LocalTreeError, match="No module named 'no_such_module_here'"):
        queue.stats()
    assert not set(proc.children(os.getpid())) - before
    with pytest.raises(supervisor.SettingsError, match="workers"):
        TaskQueue.local(workers=-1).stats()
    with pytest.raises(LocalTreeError, match="workers=0 leaves nobody to run its tasks; choose 1 or more"):
        TaskQueue.local(workers=0).stats()


def test_a_task_that_submits_a_task_uses_the_same_supervisor() -> None:
    def outer() -> str:
        return str(supervisor.queue.submit(os.getpid))

    with TaskQueue.local(workers=2) as queue:
        inner = queue.wait(queue.submit(outer), WAIT).result
        assert queue.wait(inner, WAIT).result > 0


def test_what_a_block_leaves_unfinished_is_cancelled(tmp_path: Path) -> None:
    async def both(queue: TaskQueue) -> None:
        async with queue.task_context(tasks.sleep, 600, str(tmp_path / "async")) as task_id:
            await asyncio.to_thread(written, tmp_path / "async")
        with pytest.raises(TaskCancelledError):
            await queue.await_(task_id, WAIT)

    with TaskQueue.local(workers=1, tasks="tests.support.tasks") as queue:
        with queue.task_context(tasks.add, 9, right=10) as task_id:
            assert queue.wait(task_id, WAIT).result == 19
        assert queue.state(task_id) is State.SUCCEEDED, "what has ended stays as it is"
        with pytest.raises(ZeroDivisionError), queue.task_context(tasks.sleep, 600, str(tmp_path / "pid")) as task_id:
            raise ZeroDivisionError(written(tmp_path / "pid"))
        with pytest.raises(TaskCancelledError):
            queue.wait(task_id, WAIT)
        with queue.task_context(tasks.noop, config=TaskConfig(delay=600)) as task_id:
            assert queue.state(task_id) is State.SCHEDULED
        assert queue.state(task_id) is State.CANCELLED
        asyncio.run(both(queue))


def test_what_stands_for_the_task_of_a_block_is_left_alone() -> None:
    only_one = TaskConfig(unique="only one", delay=600)

    async def both(queue: TaskQueue, holder: str) -> None:
        async with queue.task_context(tasks.noop, config=only_one) as task_id:
            assert task_id == holder

    with TaskQueue.local(workers=1, tasks="tests.support.tasks") as queue:
        holder = queue.submit(tasks.noop, config=only_one)
        with queue.task_context(tasks.noop, config=only_one) as task_id:
            assert task_id == holder
        asyncio.run(both(queue, holder))
        assert queue.state(holder) is State.SCHEDULED, "it is somebody else's"
        assert queue.cancel(holder)


# -- the end of the process --------------------------------------------------------------------------------------

SLEEPER = """
    import os, sys, time
    from supervisor import TaskQueue
    queue = TaskQueue.local(workers=2)
    queue.submit(time.sleep, 600)
    while not queue.stats().unfinished.get("running"):
        time.sleep(0.01)
    print(queue.directory, flush=True)
    {then}
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_it_ends_with_a_process_that_is_killed(tmp_path: Path, signum: int) -> None:
    with script(tmp_path, SLEEPER.format(then="time.sleep(600)")) as process:
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        processes = family(process.pid)
        assert len(processes) >= 7, "script, owner, guardian, master, broker, template, workers"
        process.send_signal(signum)
        process.wait()
        gone(processes)
        assert not directory.exists()


def test_it_ends_with_a_script_that_forgets_it(tmp_path: Path) -> None:
    with script(tmp_path, SLEEPER.format(then="sys.exit(3)")) as process:
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        processes = family(process.pid)
        assert process.wait(WAIT) == 3
        gone(processes, 1.0)
        assert not directory.exists()


def test_the_end_of_a_forked_child_is_nothing_to_it(tmp_path: Path) -> None:
    then = """
    pid = os.fork()
    if pid == 0:
        print(queue.wait(queue.submit(os.getpid), 30).result > 0, flush=True)
        sys.exit(0)
    print(os.waitpid(pid, 0)[1], queue.wait(queue.submit(os.getpid), 30).result > 0, flush=True)
    """
    with script(tmp_path, textwrap.dedent(SLEEPER.format(then="")) + textwrap.dedent(then)) as process:
        told, _ = process.communicate(timeout=WAIT)
    assert told.splitlines()[1:] == ["True", "0 True"]


# -- an ASGI server ----------------------------------------------------------------------------------------------

APPLICATION = """
import sys
from contextlib import asynccontextmanager
from supervisor import TaskQueue, queue, task

def double(number):
    return 2 * number

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        async with TaskQueue.local(workers=1):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    task_id = await queue.asubmit(double, 21)
    body = str((await queue.await_(task_id, 30)).result).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_it_lives_in_the_lifespan_of_an_asgi_application(tmp_path: Path, signum: int) -> None:
    (tmp_path / "application.py").write_text(APPLICATION)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        code = f"import uvicorn; uvicorn.run('application:app', fd={listener.fileno()}, log_level='warning')"
        os.set_inheritable(listener.fileno(), True)
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            pass_fds=[listener.fileno()],
            env=environment({"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', REPOSITORY)}"}),
        )
        try:
            connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=WAIT)
            connection.request("GET", "/", headers={"Connection": "close"})
            assert connection.getresponse().read() == b"42"
            connection.close()
            processes = family(process.pid)
            process.send_signal(signum)
            process.wait(WAIT)
            gone(processes)
        finally:
            process.kill()
            process.wait()
