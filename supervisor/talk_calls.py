"""The part of :class:`supervisor.TaskQueue` that reads what tasks say while they run: their lines, their streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Any

from supervisor.client import calls
from supervisor.client.following import Following, Restart, Streaming
from supervisor.client.wait import failure_of, raise_for_end
from supervisor.client.waiting import Waiting
from supervisor.errors import UnknownTaskError
from supervisor.packer import Packer
from supervisor.records import LogLine, record_of
from supervisor.states import State
from supervisor.wire.messages import TaskRow


class TalkCalls(Waiting):
    """What tasks print, log and yield."""

    def _packer(self) -> Packer:
        raise NotImplementedError

    async def _apacker(self) -> Packer:
        raise NotImplementedError

    # -- lines -------------------------------------------------------------------------------------------------

    def logs(self, task_id: str, attempt: int | None = None) -> list[LogLine]:
        """What a task has printed and logged so far, in order: of all its attempts, or of those with this number.

        Of each attempt the setting ``output_limit`` is kept, the first half and the last; a line with the stream
        ``supervisor`` tells how much is missing in between. Lines arrive within a fifth of a second. Raises
        UnknownTaskError.
        """
        following = Following(task_id, attempt, None)
        found: list[LogLine] = []
        while not following.ended:
            call = following.call(self._timeout, wait=False)
            found += following.take(self._perform(call), to_the_end=True)
        return found

    async def alogs(self, task_id: str, attempt: int | None = None) -> list[LogLine]:
        """:meth:`logs` without blocking the event loop."""
        following = Following(task_id, attempt, None)
        found: list[LogLine] = []
        while not following.ended:
            call = following.call(self._timeout, wait=False)
            found += following.take(await self._aperform(call), to_the_end=True)
        return found

    def follow(self, task_id: str, attempt: int | None = None, *, timeout: float | None = None) -> Iterator[LogLine]:
        """The lines of :meth:`logs` from the first on, then each as it comes, until the task has ended, however.

        None comes twice, and none that is kept is left out, whichever process is killed meanwhile. Who reads slowly
        misses what is over the limit, as in :meth:`logs`. ``timeout`` is how many seconds may pass without a line
        (None: any time). Raises WaitTimeoutError when they have, UnknownTaskError, and QueueUnavailableError.
        """
        return self._follow(Following(task_id, attempt, timeout))

    def _follow(self, following: Following) -> Iterator[LogLine]:
        while not following.ended:
            with self._waits_for(following.id):
                found = self._perform(following.call(self._timeout))
            yield from following.take(found)

    def afollow(
        self, task_id: str, attempt: int | None = None, *, timeout: float | None = None
    ) -> AsyncGenerator[LogLine]:
        """:meth:`follow` for ``async for``, without blocking the event loop."""
        return self._afollow(Following(task_id, attempt, timeout))

    async def _afollow(self, following: Following) -> AsyncGenerator[LogLine]:
        while not following.ended:
            with await self._awaits_for(following.id):
                found = await self._aperform(following.call(self._timeout))
            for line in following.take(found):
                yield line

    # -- streams -----------------------------------------------------------------------------------------------

    def stream(self, task_id: str, *, restart: Restart = "skip", timeout: float | None = None) -> Iterator[Any]:
        """What a generator task yields, from its first item on, each as it comes, until the task has ended.

        Any number may read it, at any time until the record of the task expires. An attempt that is repeated yields
        from the start; a reader that has some of it already gets the rest only, or StreamRestartedError with
        ``restart="raise"``. ``timeout`` is how many seconds may pass without an item (None: any time).

        It ends as the task does: normally when it has succeeded, else with the error that :meth:`Handle.result`
        raises. Also raises WaitTimeoutError, UnknownTaskError, and QueueUnavailableError.
        """
        return self._stream(Streaming(task_id, restart, timeout))

    def _stream(self, streaming: Streaming) -> Iterator[Any]:
        while not streaming.ended:
            with self._waits_for(streaming.id):
                found = self._perform(streaming.call(self._timeout))
            for item in streaming.take(found):
                yield self._packer().item(streaming.id, *item)
        _check(self._perform(calls.task(streaming.id, self._timeout, with_result=False)), streaming.text)

    def astream(self, task_id: str, *, restart: Restart = "skip", timeout: float | None = None) -> AsyncGenerator[Any]:
        """:meth:`stream` for ``async for``, without blocking the event loop."""
        return self._astream(Streaming(task_id, restart, timeout))

    async def _astream(self, streaming: Streaming) -> AsyncGenerator[Any]:
        while not streaming.ended:
            with await self._awaits_for(streaming.id):
                found = await self._aperform(streaming.call(self._timeout))
            for item in streaming.take(found):
                yield (await self._apacker()).item(streaming.id, *item)
        _check(await self._aperform(calls.task(streaming.id, self._timeout, with_result=False)), streaming.text)


def _check(row: TaskRow | None, task_id: str) -> None:
    """Raise the error of a task that has not succeeded."""
    if row is None:
        raise UnknownTaskError(task_id)
    record = raise_for_end(record_of(row))
    if record.state is State.FAILED:
        raise failure_of(record)
