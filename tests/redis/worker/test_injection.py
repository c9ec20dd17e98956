"""Dependencies of tasks: from the lifespan and from providers, fresh for each attempt, closed."""

from __future__ import annotations

import asyncio
import threading
import typing
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from aiojobs_redis import (
    ConfigInvalid,
    Depends,
    Fixed,
    JobFailed,
    JobState,
    Queue,
    Task,
    Worker,
    current_job,
)
from tests.support.waiting import wait_until


class Pool:
    def __init__(self, name: str = "pool") -> None:
        self.name = name


class BigPool(Pool): ...


class Mailer: ...


story: list[str] = []


@pytest.fixture(autouse=True)
def empty_story() -> Iterator[None]:
    story.clear()
    yield
    story.clear()


async def session(pool: Annotated[Pool, Depends()]) -> AsyncIterator[str]:
    story.append(f"open {current_job().attempt}")
    try:
        yield f"session of {pool.name}"
    except ValueError as error:
        story.append(f"roll back {error}")
        raise
    else:
        story.append("commit")
    finally:
        story.append("close")


def tag() -> Iterator[str]:
    story.append("tag")
    yield "tagged"
    story.append("untag")


@asynccontextmanager
async def lifespan(worker: Worker) -> AsyncIterator[Pool]:
    yield Pool()


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_each_attempt_gets_its_own_and_it_is_closed_behind_it(
    queue: Queue, kind: str
) -> None:
    def run(number: int, text: str, label: str, pool: Pool) -> list[Any]:
        story.append("task")
        if current_job().attempt == 1:
            raise ValueError("once")
        return [number, text, label, pool.name, threading.current_thread().name]

    async def awork(
        number: int,
        text: str = Depends(session),
        label: str = Depends(tag),
        pool: Pool = Depends(),
    ) -> list[Any]:
        return run(number, text, label, pool)

    def work(
        number: int,
        text: str = Depends(session),
        label: str = Depends(tag),
        pool: Pool = Depends(),
    ) -> list[Any]:
        return run(number, text, label, pool)

    register = queue.task(name="work", attempts=2, backoff=Fixed(0))
    task: Task[..., list[Any]] = register(awork) if kind == "async" else register(work)
    async with Worker(queue, lifespan=lifespan):
        job = await task.enqueue(7)
        *values, thread = await job.result(10)

    assert values == [7, "session of pool", "tagged", "pool"]
    assert (thread == threading.main_thread().name) is (kind == "async")
    assert story == [
        *("open 1", "tag", "task", "roll back once", "close"),
        *("open 2", "tag", "task", "untag", "commit", "close"),
    ]
    info = await job.info()
    assert info is not None
    assert (info.args, info.kwargs) == ([7], {})


async def test_a_provider_is_called_once_a_job_whoever_asks(queue: Queue) -> None:
    made: list[object] = []

    def base() -> object:
        made.append(object())
        return made[-1]

    async def one(value: Any = Depends(base)) -> object:
        return value

    @queue.task
    async def work(
        value: Any = Depends(base), other: Any = Depends(one), again: Any = Depends(one)
    ) -> bool:
        return value is other is again

    async with Worker(queue):
        assert [await (await work.enqueue()).result(10) for _ in range(2)] == [True, True]
    assert len(made) == 2


@dataclass
class Opened:
    """A provider that cannot be hashed, since it can be compared."""

    name: str

    def __call__(self) -> str:
        story.append(f"made {self.name}")
        return self.name


@dataclass
class Opens:
    name: str

    async def __call__(self, pool: Pool = Depends()) -> AsyncIterator[str]:
        yield f"{self.name} of {pool.name}"
        story.append(f"closed {self.name}")

    def tag(self) -> Iterator[str]:
        yield self.name
        story.append(f"untagged {self.name}")


class OpensPlain:
    def __call__(self) -> Iterator[str]:
        yield "plain"
        story.append("closed plain")


class Service:
    def __init__(self, pool: Pool = Depends()) -> None:
        self.pool = pool


async def test_objects_that_can_be_called_and_classes_are_providers(queue: Queue) -> None:
    opened, opens = Opened("one"), Opens("session")

    @queue.task(attempts=1)
    async def work(
        one: str = Depends(opened),
        same: str = Depends(opened),
        equal: str = Depends(Opened("one")),
        session: str = Depends(opens),
        plain: str = Depends(OpensPlain()),
        tag: str = Depends(opens.tag),
        same_tag: str = Depends(opens.tag),
        service: Service = Depends(Service),
    ) -> list[str]:
        return [one, same, equal, session, plain, tag, same_tag, service.pool.name]

    async with Worker(queue, lifespan=lifespan):
        found = await (await work.enqueue()).result(10)
    assert found == ["one", "one", "one", "session of pool", "plain", *["session"] * 2, "pool"]
    assert story == [
        *("made one", "made one"),
        *("untagged session", "closed plain", "closed session"),
    ]


async def test_an_error_of_a_provider_is_the_tasks_and_none_can_be_swallowed(queue: Queue) -> None:
    def fails() -> str:
        raise KeyError("no session")

    def fails_later() -> Iterator[int]:
        yield 1
        raise OSError("the commit failed")

    def swallows() -> Iterator[int]:
        try:
            yield 1
        except ValueError:
            story.append("swallowed")

    @queue.task(attempts=1)
    async def early(x: str = Depends(fails)) -> None: ...

    @queue.task(attempts=1)
    async def late(x: int = Depends(fails_later)) -> None: ...

    @queue.task(attempts=1)
    async def quiet(x: int = Depends(swallows)) -> None:
        raise ValueError("inside")

    async with Worker(queue):
        for task, text in ((early, "no session"), (late, "the commit failed"), (quiet, "inside")):
            with pytest.raises(JobFailed, match=text):
                await (await task.enqueue()).result(10)
    assert story == ["swallowed"]


async def test_a_failed_commit_cannot_be_swallowed_further_out(queue: Queue) -> None:
    def swallows() -> Iterator[int]:
        try:
            yield 1
        except OSError as error:
            story.append(f"outer {error}")

    async def swallows_too(x: int = Depends(swallows)) -> AsyncIterator[int]:
        try:
            yield x
        except OSError as error:
            story.append(f"middle {error}")

    async def commits(x: int = Depends(swallows_too)) -> AsyncIterator[int]:
        yield x
        raise OSError("the commit failed")

    @queue.task(attempts=1)
    async def work(x: int = Depends(commits)) -> int:
        return x

    async with Worker(queue):
        job = await work.enqueue()
        with pytest.raises(JobFailed, match="the commit failed"):
            await job.result(10)
    assert story == ["middle the commit failed", "outer the commit failed"]


async def test_a_job_that_is_cut_off_closes_what_it_holds(queue: Queue) -> None:
    @queue.task
    async def hang(text: str = Depends(session)) -> None:
        await asyncio.Event().wait()

    job = await hang.enqueue()
    async with Worker(queue, lifespan=lifespan) as worker:
        await wait_until(lambda: story == ["open 1"], "the job to run")
        worker.stop(grace=0)
    assert story == ["open 1", "close"]
    assert await job.state() is JobState.QUEUED


async def test_shared_objects_are_found_by_their_type(queue: Queue) -> None:
    @asynccontextmanager
    async def several(worker: Worker) -> AsyncIterator[tuple[Any, ...]]:
        yield Pool("exact"), BigPool("derived"), {"a": 1}

    @queue.task
    async def work(
        pool: Pool = Depends(), big: BigPool = Depends(), settings: dict[str, int] = Depends()
    ) -> list[Any]:
        return [pool.name, big.name, settings]

    @queue.task
    async def without(
        # Both forms of a union mean the same.
        pool: Pool | None = Depends(),
        mailer: typing.Optional[Mailer] = Depends(),  # noqa: UP045
        settings: Mailer | dict[str, int] = Depends(),
    ) -> list[Any]:
        return [pool and pool.name, mailer, settings]

    async with Worker(queue, lifespan=several):
        assert await (await work.enqueue()).result(10) == ["exact", "derived", {"a": 1}]
        assert await (await without.enqueue()).result(10) == ["exact", None, {"a": 1}]


@pytest.mark.parametrize(
    ("yielded", "text"),
    [
        (None, "asks by 'mailer' for a Mailer, and the lifespan of the worker yields nothing"),
        (Pool(), "asks by 'mailer' for a Mailer, and the lifespan of the worker yields Pool"),
        ((Mailer(), Mailer()), "asks by 'mailer' for one Mailer, .* yields Mailer, Mailer"),
    ],
)
async def test_what_the_lifespan_lacks_ends_the_worker_at_its_start(
    queue: Queue, yielded: Any, text: str
) -> None:
    ran: list[int] = []

    def through(mailer: Mailer = Depends()) -> str:
        return "through a provider"

    @queue.task
    async def mails(mailer: Mailer = Depends()) -> None:
        ran.append(1)

    @queue.task
    async def indirect(x: str = Depends(through)) -> None:
        ran.append(1)

    @asynccontextmanager
    async def wrong(worker: Worker) -> AsyncIterator[Any]:
        story.append("opened")
        yield yielded
        story.append("closed")

    await mails.enqueue()
    with pytest.raises(ConfigInvalid, match=f"task 'mails' {text}"):
        await Worker(queue, lifespan=wrong).run()
    assert (ran, story) == ([], ["opened", "closed"])
    with pytest.raises(ConfigInvalid, match=r"'mailer' for a Mailer, .* or there is none"):
        await Worker(queue).run()


async def test_a_task_that_was_registered_later_fails_by_what_it_lacks(queue: Queue) -> None:
    @queue.task
    async def early() -> None: ...

    async with Worker(queue, lifespan=lifespan):
        await (await early.enqueue()).result(10)

        @queue.task(attempts=1)
        async def late(mailer: Mailer = Depends()) -> None: ...

        with pytest.raises(JobFailed, match=r"asks for a Mailer, .* yields Pool"):
            await (await late.enqueue()).result(10)


async def test_dependencies_work_with_schedules_and_inside_middleware(queue: Queue) -> None:
    async def outer(job: Any, call_next: Any) -> Any:
        story.append("before")
        try:
            return await call_next(job)
        finally:
            story.append("after")

    done = asyncio.Event()

    @queue.cron("* * * * * *")
    async def ticks(text: str = Depends(session)) -> None:
        done.set()

    async with Worker(queue, lifespan=lifespan, middleware=[outer]):
        await asyncio.wait_for(done.wait(), 10)
        await wait_until(lambda: "after" in story, "the job to end")
    assert story[:5] == ["before", "open 1", "commit", "close", "after"]
