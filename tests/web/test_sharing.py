"""What is fetched, and how often: once for all who look at about the same time, and not at all while nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from supervisor.directory import Directory
from supervisor.web.backend import Backend
from supervisor.web.site import Here
from tests.support import tasks
from tests.support.tree import RunningTree


async def eventually(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110  what is waited for sets no event
            await asyncio.sleep(0.01)


def run(tree: RunningTree, story: Callable[[Here], Awaitable[None]]) -> None:
    """With what one event loop of a dashboard shares."""

    async def inside() -> None:
        await story(Here(Backend(Directory(tree.dir))))

    asyncio.run(inside())


def test_a_hundred_who_ask_at_once_are_told_of_one_look(shared_tree: RunningTree) -> None:
    async def story(here: Here) -> None:
        looks = await asyncio.gather(*(here.observer.look() for _ in range(100)))
        assert here.observer.looks == 1
        assert {id(each) for each in looks} == {id(looks[0])}
        assert looks[0].overview.live

    run(shared_tree, story)


def test_nobody_looks_while_nobody_listens(shared_tree: RunningTree) -> None:
    async def story(here: Here) -> None:
        producer = here.overview.producer
        assert not producer.is_working
        async with (
            aclosing(here.overview.events(stay=True)) as first,
            aclosing(here.overview.events(stay=True)) as second,
        ):
            assert (await anext(first)).event == "overview"
            assert (await anext(second)).event == "overview"
            assert (producer.listeners, producer.is_working) == (2, True)
            begin = here.observer.looks
            await eventually(lambda: here.observer.looks >= begin + 2)
        assert (producer.listeners, producer.is_working) == (0, False)

    run(shared_tree, story)


def test_a_task_is_followed_once_for_all_who_follow_it_and_forgotten_after(shared_tree: RunningTree) -> None:
    task_id = tasks.noop.on(shared_tree.queue).options(delay=600).delay().id

    async def story(here: Here) -> None:
        with here.progress.shared(task_id) as first, here.progress.shared(task_id) as second:
            assert first is second
            async with aclosing(first.events()) as one, aclosing(second.events()) as other:
                told = await anext(one)
                assert told.data == (await anext(other)).data
                assert first.producer.listeners == 2
        with here.progress.shared(task_id) as third:
            assert third is not first

    run(shared_tree, story)
    shared_tree.queue.cancel(task_id)
