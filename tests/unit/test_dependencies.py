"""Which parameters of a task are filled in, and what is refused at registration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Protocol

import pytest

from aiojobs_redis import ArgumentsInvalid, ConfigInvalid, Depends, Queue
from aiojobs_redis.dependency import Need, needs_of


class Pool: ...


class Session: ...


def session(pool: Annotated[Pool, Depends()]) -> Session:
    return Session()


async def opened(pool: Pool = Depends()) -> AsyncIterator[Session]:
    yield Session()


def plain() -> Iterator[Session]:
    yield Session()


Db = Annotated[Session, Depends(session)]


def test_a_mark_is_found_as_a_default_and_in_an_annotation() -> None:
    async def task(
        to: str,
        direct: Annotated[Pool, Depends],
        named: Annotated[Pool, "else", Depends()],
        alias: Db,
        *,
        pool: Pool = Depends(),
        one: Session = Depends(opened),
        other: Any = Depends(plain),
    ) -> None: ...

    needs = needs_of(task, "task")
    pool = Need(Pool)
    assert needs == {
        "direct": pool,
        "named": pool,
        "alias": Need(Session, session, "value", {"pool": pool}),
        "pool": pool,
        "one": Need(Session, opened, "async generator", {"pool": pool}),
        "other": Need(Any, plain, "generator"),
    }
    assert [need.shared() for need in needs.values()] == [[Pool]] * 5 + [[]]


def test_what_is_filled_in_is_no_part_of_a_call() -> None:
    queue = Queue("dependencies", url="memory://dependencies")

    @queue.task
    async def send(to: str, pool: Pool = Depends(), *, key: Session = Depends(session)) -> None: ...

    assert queue.bind(send, "ada").call == send.bind("ada").call
    assert queue.bind(send, "ada", key="tenant").options.values["key"] == "tenant"
    with pytest.raises(ArgumentsInvalid, match="does not take pool from its caller"):
        send.bind("ada", pool=Pool())
    with pytest.raises(ArgumentsInvalid, match="at most 1 positional"):
        send.bind("ada", Pool())


async def test_a_function_can_be_called_with_values_of_ones_own() -> None:
    queue = Queue("dependencies", url="memory://dependencies")

    @queue.task
    async def count(pool: list[int] = Depends()) -> int:
        return len(pool)

    @queue.task
    async def use(pool: Any = Depends(session)) -> Any:
        return pool.execute

    assert await count(pool=[1, 2]) == 2
    with pytest.raises(AttributeError, match=r"Depends\(session\) is filled in by a worker"):
        await use()


class Speaks(Protocol):
    def speak(self) -> None: ...


def lacks(name: str) -> Session:
    return Session()


@asynccontextmanager
async def managed() -> AsyncIterator[Session]:
    yield Session()


@pytest.mark.parametrize(
    ("annotation", "mark", "text"),
    [
        (Any, Depends(), r"task\(\): 'x'.*cannot tell by .*Any"),
        (object, Depends(), "cannot tell by object"),
        (Speaks, Depends(), "cannot tell by Speaks"),
        (Pool, Depends(session), "is annotated Pool, and session.. makes Session"),
        (Pool, Depends(opened), "is annotated Pool, and opened.. makes Session"),
        (Pool, Depends(Session), "is annotated Pool, and Session.. makes Session"),
        (Any, Depends(lacks), "the provider lacks.. has the parameter 'name', which nobody"),
        (Any, Depends(managed), "without @asynccontextmanager"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(annotation: Any, mark: Any, text: str) -> None:
    async def task(x: Any = mark) -> None: ...

    task.__annotations__["x"] = annotation
    with pytest.raises(ConfigInvalid, match=text):
        needs_of(task, "task")


def test_a_provider_that_needs_itself_is_refused() -> None:
    def chicken(egg: Any = None) -> None: ...

    def egg(hen: Any = Depends(chicken)) -> None: ...

    chicken.__defaults__ = (Depends(egg),)

    async def task(x: Any = Depends(egg)) -> None: ...

    with pytest.raises(ConfigInvalid, match=r"depends on itself: .*egg → .*chicken → .*egg"):
        needs_of(task, "task")


def test_only_a_callable_is_a_provider_and_only_named_parameters_are_filled_in() -> None:
    with pytest.raises(ConfigInvalid, match="Depends takes a function"):
        Depends("session")  # type: ignore[arg-type]

    async def task(x: Pool = Depends(), /) -> None: ...

    with pytest.raises(ConfigInvalid, match="'x' is filled in by keyword"):
        needs_of(task, "task")
