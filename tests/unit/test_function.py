"""What can be a task is decided where it is registered; what cannot is told what to be instead."""

from __future__ import annotations

import functools
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, JobOptions, Queue, Worker


@pytest.fixture
def queue() -> Queue:
    return Queue("functions", "memory://functions")


def _rows(number: int) -> Iterator[int]:
    yield number


async def _rows_later(number: int) -> AsyncIterator[int]:
    yield number


async def _work(number: int = 0) -> int:
    return number


class Rows:
    def __call__(self, number: int) -> Iterator[int]:
        yield number


class Thing:
    def work(self, number: int) -> int:
        return number

    @classmethod
    def make(cls) -> int:
        return 1

    @staticmethod
    def add(a: int, b: int) -> int:
        return a + b


def _wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_rows, "'_rows' is a generator, .*return a list"),
        (_rows_later, "'_rows_later' is a generator, .*return a list"),
        (functools.partial(_rows, 1), "is a generator"),
        (Rows(), "is a generator"),
        (Thing, "is a class, and a task is a function"),
        (Thing.work, "'Thing.work' is a method, .*queue.task"),
        (_wrapped(Thing.work), "'Thing.work' is a method"),
        (vars(Thing)["make"], "a task is made of a function, got"),
        (3, r"a task is made of a function, got 3 \(int\)"),
    ],
)
def test_what_no_worker_could_run_is_refused(queue: Queue, function: Any, says: str) -> None:
    for register in (queue.task(name="x"), queue.cron("@daily", name="x")):
        with pytest.raises(ConfigInvalid, match=says):
            register(function)
    assert queue.tasks == {}
    assert queue.registry.declared == []


def test_a_method_is_refused_in_the_body_of_its_class(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match=r"Mailer\.send' is a method"):

        class Mailer:
            @queue.task
            async def send(self, to: str) -> None: ...

    assert queue.tasks == {}


def test_a_name_in_the_place_of_the_function_is_refused(queue: Queue) -> None:
    task: Any = queue.task
    with pytest.raises(ConfigInvalid, match=r"got 'add' \(str\): give .*@queue.task\(name='add'\)"):
        task("add")


def test_a_coroutine_in_the_place_of_the_function_is_refused_and_closed(queue: Queue) -> None:
    task: Any = queue.task
    with pytest.raises(ConfigInvalid, match="a task is made of a function, got <coroutine"):
        task(_work())
    gc.collect()


def test_what_has_no_name_of_its_own_needs_one(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match=r"functools.partial.*has no name .*name=\.\.\."):
        queue.task(functools.partial(_work, 1))
    with pytest.raises(ConfigInvalid, match="has no name of its own"):
        queue.cron("@daily")(functools.partial(_work, 1))

    assert queue.task(name="one")(functools.partial(_work, 1)).name == "one"


def test_what_only_looks_like_a_method_is_a_task(queue: Queue) -> None:
    class Sums:
        @queue.task
        @staticmethod
        def add(a: int, b: int) -> int:
            return a + b

    def nested(self: int) -> int:
        return self

    queue.task(name="bound")(Thing().work)
    queue.task(name="static")(Thing.add)
    queue.task(name="made")(Thing.make)
    queue.task(nested)
    assert sorted(queue.tasks) == ["add", "bound", "made", "nested", "static"]
    assert Sums.add is queue.tasks["add"]


def test_cron_without_its_expression_is_refused(queue: Queue) -> None:
    cron: Any = queue.cron
    with pytest.raises(ConfigInvalid, match=r'write @queue.cron\("0 3 \* \* \*"\)'):
        cron(_work)

    assert queue.tasks == {}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda cron: cron("99 * * * *"), "minute '99'"),
        (lambda cron: cron("* * * * *", tz="Nowhere/At_All"), "Nowhere"),
        (lambda cron: cron(60), "cron 60"),
        (lambda cron: cron("@daily", missed="never"), "missed must be one of"),
        (lambda cron: cron("@daily", attempts=3), r"options=JobOptions\(attempts=\.\.\.\)"),
        (lambda cron: cron("@daily", missing="last"), "'missing'. Did you mean 'missed'?"),
        (lambda cron: cron("@daily", options=JobOptions(delay=3)), "delay cannot be set"),
    ],
)
def test_cron_is_checked_before_it_meets_its_function(
    queue: Queue, make: Callable[[Any], Any], says: str
) -> None:
    with pytest.raises(ConfigInvalid, match=says):
        make(queue.cron)


def test_a_worker_takes_queues_only(queue: Queue) -> None:
    task = queue.task(_work)

    given: list[Any] = ["functions", 5, None, [None], ["functions"], task, [queue, task]]
    for wrong in given:
        with pytest.raises(ConfigInvalid, match="a worker takes a Queue or a list of them, got"):
            Worker(wrong)
