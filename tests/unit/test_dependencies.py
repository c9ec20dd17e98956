"""Which parameters of a task are filled in, and what is refused at registration."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol

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


class ByInit:
    def __init__(self, pool: Pool = Depends()) -> None: ...


class Inherits(ByInit): ...


class ByNew:
    def __new__(cls, pool: Annotated[Pool, Depends()]) -> ByNew:
        return super().__new__(cls)


@dataclass
class ByField:
    pool: Pool = Depends()


class ByTuple(NamedTuple):
    pool: Pool = Depends()


class ByMeta(type):
    def __call__(cls, pool: Pool = Depends()) -> Any:
        return super().__call__()


class Metal(metaclass=ByMeta): ...


class Bare: ...


@pytest.mark.parametrize("made", [ByInit, Inherits, ByNew, ByField, ByTuple, Metal])
def test_a_class_is_a_provider_whose_annotations_are_those_of_its_making(made: type) -> None:
    async def task(x: Any = Depends(made), y: Any = Depends(Bare)) -> None: ...

    needs = needs_of(task, "task")
    assert needs == {"x": Need(Any, made, "value", {"pool": Need(Pool)}), "y": Need(Any, Bare)}


def test_a_class_may_be_of_the_function_in_which_its_types_are() -> None:
    class Inner: ...

    class Outer:
        def __init__(self, inner: Inner = Depends()) -> None: ...

    @dataclass
    class Other:
        inner: Inner = Depends()

    partly = functools.partial(Other)

    def task(x: Any = Depends(Outer), y: Any = Depends(partly)) -> None: ...

    assert [need.shared() for need in needs_of(task, "task").values()] == [[Inner], [Inner]]


class Calls:
    def __call__(self, pool: Pool = Depends()) -> Session:
        return Session()


class Yields:
    async def __call__(self, pool: Pool = Depends()) -> AsyncIterator[Session]:
        yield Session()


class Manages:
    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Session]:
        yield Session()


def test_an_object_that_can_be_called_is_a_provider_as_its_function_is() -> None:
    calls, yields = Calls(), Yields()
    partly = functools.partial(yields)

    async def task(
        x: Session = Depends(calls), y: Session = Depends(yields), z: Session = Depends(partly)
    ) -> None: ...

    pool = {"pool": Need(Pool)}
    assert needs_of(task, "task") == {
        "x": Need(Session, calls, "value", pool),
        "y": Need(Session, yields, "async generator", pool),
        "z": Need(Session, partly, "async generator", pool),
    }


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
        (None | Speaks, Depends(), "cannot tell by "),
        (Pool | object, Depends(), "cannot tell by "),
        (Pool, Depends(session), "is annotated Pool, and session.. makes Session"),
        (Pool, Depends(opened), "is annotated Pool, and opened.. makes Session"),
        (Pool, Depends(Session), "is annotated Pool, and Session.. makes Session"),
        (Any, Depends(lacks), "the provider lacks.. has the parameter 'name', which nobody"),
        (Pool, Depends(Calls()), "is annotated Pool, and Calls.. makes Session"),
        (Pool, Depends(Yields()), "is annotated Pool, and Yields.. makes Session"),
        (Any, Depends(managed), "without @asynccontextmanager"),
        (Any, Depends(Manages()), "without @asynccontextmanager"),
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
