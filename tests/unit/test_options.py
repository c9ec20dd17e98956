"""Bad input of a producer: refused before any I/O, with option, value and range named."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_redis import (
    ArgumentsInvalid,
    ConfigInvalid,
    Exponential,
    Fixed,
    JobOptions,
    PayloadTooLarge,
    Queue,
    Worker,
)

NOWHERE = "redis://127.0.0.1:1"
"""Nobody listens there: whatever is refused here was refused without asking Redis."""

NAIVE = datetime(2026, 1, 1)
LATER = datetime(2999, 1, 1, tzinfo=UTC)

BAD_OPTIONS = [
    ({"delay": 1, "at": datetime(2027, 1, 1, tzinfo=UTC)}, ["delay", "at", "exclude"]),
    ({"delay": -1}, ["delay", "-1", "from 0 s"]),
    ({"delay": -0.001}, ["delay", "-0.001", "from 0 s"]),
    ({"delay": timedelta(seconds=-1)}, ["delay", "-1", "from 0 s"]),
    ({"delay": math.nan}, ["delay", "nan", "from 0 s"]),
    ({"delay": math.inf}, ["delay", "inf", "to 3162240000 s"]),
    ({"delay": "5"}, ["delay", "'5'", "seconds or a timedelta"]),
    ({"delay": 10**400}, ["delay", "a hundred years"]),
    ({"delay": True}, ["delay", "True", "seconds or a timedelta"]),
    ({"delay": None}, ["delay", "None", "seconds or a timedelta"]),
    ({"delay": timedelta(days=365 * 200)}, ["delay", "a hundred years"]),
    ({"at": NAIVE}, ["at", "naive 2026-01-01", "tzinfo"]),
    ({"at": LATER}, ["at", "2200", "2999"]),
    ({"at": 5}, ["at", "5", "aware datetime"]),
    ({"priority": 1024}, ["priority", "1024", "-1024 to 1023"]),
    ({"priority": -1025}, ["priority", "-1025", "-1024 to 1023"]),
    ({"priority": 1.5}, ["priority", "1.5", "-1024 to 1023"]),
    ({"priority": 1.0}, ["priority", "1.0", "-1024 to 1023"]),
    ({"priority": True}, ["priority", "True", "-1024 to 1023"]),
    ({"priority": "1"}, ["priority", "'1'", "-1024 to 1023"]),
    ({"key_priority": 1024}, ["key_priority", "1024", "0 to 1023"]),
    ({"key_priority": -1}, ["key_priority", "-1", "0 to 1023"]),
    ({"lifo": 1}, ["lifo", "1", "True or False"]),
    ({"lifo": None}, ["lifo", "None", "True or False"]),
    ({"lifo": True, "key": "k"}, ["lifo", "key", "'k'", "exclude", "lifo=False"]),
    ({"attempts": 0}, ["attempts", "0", "from 1 to 10000"]),
    ({"priority": 10**400}, ["priority", "-1024 to 1023"]),
    ({"attempts": 2.5}, ["attempts", "2.5", "from 1 to 10000"]),
    ({"id": ""}, ["id", "1 to 256 bytes", "0 bytes"]),
    ({"id": "x" * 257}, ["id", "1 to 256 bytes", "257 bytes"]),
    ({"id": "é" * 129}, ["id", "1 to 256 bytes", "258 bytes"]),
    ({"id": 7}, ["id", "7", "str"]),
    ({"id": "\ud800"}, ["id", "valid Unicode"]),
    ({"timeout": 0}, ["timeout", "0", "from 0.001 s"]),
    ({"timeout": math.nan}, ["timeout", "nan"]),
    ({"lease": 0.4}, ["lease", "0.4", "from 0.5 s"]),
    ({"max_deliveries": 0}, ["max_deliveries", "0", "from 1 to 1000"]),
    ({"delivery": "exactly_once"}, ["delivery", "'exactly_once'", "at_least_once, at_most_once"]),
    ({"expires": 0}, ["expires", "0", "from 0.001 s"]),
    ({"expires": NAIVE}, ["expires", "naive 2026-01-01"]),
    ({"keep_result": -1}, ["keep_result", "-1", "from 0 s"]),
    ({"keep_dead": -1}, ["keep_dead", "-1", "from 0 s"]),
    ({"backoff": []}, ["backoff", "[]"]),
    ({"backoff": [1, -1]}, ["backoff", "-1"]),
    ({"backoff": "fast"}, ["backoff", "'fast'", "Exponential, Fixed, Linear"]),
    ({"headers": {"a": 1}}, ["headers", "{'a': 1}"]),
    ({"headers": ["a"]}, ["headers", "['a']"]),
    ({"headers": {"a": "x" * 20_000}}, ["headers", "16384", "20001"]),
]


def named(case: tuple[dict[str, Any], list[str]]) -> str:
    return repr(case[0])[:40] if isinstance(case, tuple) else ""


@pytest.fixture
def queue() -> Queue:
    return Queue("options", url=NOWHERE)


@pytest.mark.requirement("S18")
@pytest.mark.parametrize("case", BAD_OPTIONS, ids=named)
async def test_a_bad_option_is_refused_wherever_a_job_can_be_given_it(
    queue: Queue, case: tuple[dict[str, Any], list[str]]
) -> None:
    options, words = case

    @queue.task
    async def work() -> None: ...

    async def by_function() -> None:
        await queue.enqueue(work, **options)

    async def by_name() -> None:
        await queue.enqueue("work", **options)

    async def by_options() -> None:
        await work.options(**options).enqueue()

    async def by_bind() -> None:
        await queue.enqueue_many([work.bind(), queue.bind(work, **options)])

    async def by_themselves() -> None:
        JobOptions(**options)

    for way in (by_function, by_name, by_options, by_bind, by_themselves):
        with pytest.raises(ConfigInvalid) as caught:
            await way()
        assert isinstance(caught.value, ValueError)
        for word in words:
            assert word in str(caught.value)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("of_the_queue", ["key", "lifo"])
async def test_a_key_and_going_first_exclude_each_other_wherever_they_are_given(
    of_the_queue: str,
) -> None:
    both: dict[str, Any] = {"key": "k", "lifo": True}
    own = {name: value for name, value in both.items() if name != of_the_queue}
    defaults = JobOptions(**{of_the_queue: both[of_the_queue]})
    queue = Queue("options", url=NOWHERE, defaults=defaults)

    @queue.task(**own)
    async def work() -> None: ...

    @queue.task
    async def bare() -> None: ...

    for refused in (
        work.enqueue,
        bare.options(**own).enqueue,
        lambda: queue.enqueue("unknown", **own),
        lambda: queue.enqueue_many([bare.bind(), bare.options(**own).bind()]),
        lambda: queue.schedule("often", work.bind(), every=60),
    ):
        with pytest.raises(ConfigInvalid, match="lifo and key exclude each other"):
            await refused()


def test_a_job_with_a_key_may_say_that_it_does_not_go_first() -> None:
    above = JobOptions(key="k", lifo=False)
    assert above.over(JobOptions(lifo=True)).wire() == ",gk"
    assert JobOptions(lifo=True).wire() == ",L1"


def test_a_priority_among_those_of_a_key_is_stored_with_the_key_alone() -> None:
    task = JobOptions(key_priority=3)
    assert task.wire() == ""
    assert JobOptions(key="k").over(task).wire() == ",gk,G3"
    assert JobOptions(key="k", key_priority=0).over(task).wire() == ",gk"


@pytest.mark.parametrize(
    "options",
    [
        {"delay": 0},
        {"delay": timedelta(days=36500)},
        {"at": datetime(1950, 1, 1, tzinfo=UTC)},
        {"priority": -1024},
        {"priority": 1023},
        {"attempts": 1},
        {"id": "é" * 128},
        {"timeout": None},
        {"timeout": 0.001},
        {"lease": 0.5},
        {"expires": 0.001},
        {"keep_result": 0},
        {"backoff": [0]},
        {"backoff": Fixed(0)},
        {"headers": {}},
    ],
    ids=str,
)
def test_the_ends_of_each_range_belong_to_it(options: dict[str, Any]) -> None:
    assert set(JobOptions(**options).values) == set(options)


@pytest.mark.parametrize("option", ["delay", "at", "id"])
def test_what_belongs_to_one_job_cannot_be_a_default(queue: Queue, option: str) -> None:
    value: Any = {"delay": 1, "at": datetime(2027, 1, 1, tzinfo=UTC), "id": "x"}[option]
    with pytest.raises(ConfigInvalid, match=f"{option} .*one job"):
        queue.task(**{option: value})
    with pytest.raises(ConfigInvalid, match=f"{option} .*one job"):
        Queue("options", url=NOWHERE, defaults=JobOptions(**{option: value}))


@pytest.mark.parametrize(
    ("option", "value"),
    [("retry_on", ValueError), ("fail_on", ValueError), ("executor", "thread")],
)
async def test_what_is_code_stays_with_the_task(queue: Queue, option: str, value: object) -> None:
    with pytest.raises(ConfigInvalid, match=f"{option} .*task"):
        await queue.enqueue("work", **{option: value})


async def test_a_back_off_of_a_job_must_be_data(queue: Queue) -> None:
    with pytest.raises(ConfigInvalid, match=r"backoff .*task"):
        await queue.enqueue("work", backoff=lambda attempt, error, job: 1)


def test_two_tasks_of_one_name_are_refused(queue: Queue) -> None:
    @queue.task
    async def work() -> None: ...

    with pytest.raises(ConfigInvalid, match="'work'"):

        @queue.task(name="work")
        async def other() -> None: ...

    assert list(queue.tasks) == ["work"]
    assert queue.tasks["work"] is work


@pytest.mark.parametrize("name", ["", "a b", "a{b}", "ä", "x" * 129, None, 5])
def test_a_name_that_cannot_be_part_of_a_key_is_refused(name: Any) -> None:
    with pytest.raises(ConfigInvalid, match=r"queue name .* 1 to 128 characters"):
        Queue(name, url=NOWHERE)
    if name is None:
        # That of the environment, or the default.
        return
    with pytest.raises(ConfigInvalid, match=r"namespace name .* 1 to 128 characters"):
        Queue("q", url=NOWHERE, namespace=name)


@pytest.mark.parametrize("value", [0, -1, math.nan, 1.5, "4", None, True, 100_001])
def test_a_worker_refuses_a_concurrency_out_of_range(queue: Queue, value: Any) -> None:
    with pytest.raises(ConfigInvalid, match=r"concurrency .*from 1 to 100000, got"):
        Worker(queue, concurrency=value)


@pytest.mark.parametrize("option", ["max_payload", "max_length"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "x"])
def test_a_queue_refuses_a_limit_out_of_range(option: str, value: Any) -> None:
    with pytest.raises(ConfigInvalid, match=option):
        Queue("options", url=NOWHERE, **{option: value})


def test_a_queue_takes_a_url_or_a_client_and_not_both() -> None:
    with pytest.raises(ConfigInvalid, match="not both"):
        Queue("options", url=NOWHERE, client=redis.asyncio.Redis())


async def test_a_misspelt_option_by_function_names_the_nearest(queue: Queue) -> None:
    @queue.task
    async def work(number: int) -> None: ...

    for wrong, right in (("dealy", "delay"), ("prioritty", "priority"), ("nummber", "number")):
        with pytest.raises(ArgumentsInvalid, match=f"'{wrong}' .*Did you mean '{right}'"):
            await queue.enqueue(work, 1, **{wrong: 1})
    with pytest.raises(ArgumentsInvalid, match="'zzz' is neither a parameter"):
        await queue.enqueue(work, 1, zzz=1)
    with pytest.raises(ConfigInvalid, match=r"'dealy'.* delay,"):
        work.options(dealy=1)  # type: ignore[call-arg]


async def test_an_argument_with_the_name_of_an_option_goes_through_bind(queue: Queue) -> None:
    @queue.task
    async def wait(delay: int) -> None: ...

    with pytest.raises(ArgumentsInvalid, match=r"delay is both .*\.bind\(delay="):
        await queue.enqueue(wait, delay=5)
    assert wait.options(priority=1).bind(delay=5).options.values == {"priority": 1}


@pytest.mark.parametrize(
    ("args", "keywords"),
    [((), {}), (("x",), {}), ((1, 2), {}), ((1,), {"number": 1}), ((1,), {"other": "x"})],
)
async def test_wrong_arguments_are_refused(
    queue: Queue, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    @queue.task
    async def work(number: int, *, other: int = 0) -> None: ...

    for way in (work.enqueue, work.options(delay=1).enqueue, work.bind):
        with pytest.raises(ArgumentsInvalid) as caught:
            await way(*args, **keywords)  # type: ignore[misc]
        assert isinstance(caught.value, TypeError)
    with pytest.raises(ArgumentsInvalid):
        await queue.enqueue(work, *args, **keywords)


async def test_arguments_by_name_that_cannot_be_encoded_are_refused(queue: Queue) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    for value in (object(), cycle, 2**64, "\ud800", {1, 2}.__iter__()):
        with pytest.raises(ArgumentsInvalid, match="cannot be encoded"):
            await queue.enqueue("work", value)


async def test_a_payload_over_the_limit_names_both_sizes() -> None:
    queue = Queue("options", url=NOWHERE, max_payload=2000)

    @queue.task
    async def work(text: str) -> None: ...

    with pytest.raises(PayloadTooLarge, match=r"'work' is 50\d\d bytes.* is 2000"):
        await work.enqueue("x" * 5000)
    with pytest.raises(PayloadTooLarge, match=r"is 2000"):
        await queue.enqueue("other", b"x" * 2000)
    default = Queue("options", url=NOWHERE)
    with pytest.raises(PayloadTooLarge, match="is 1048576"):
        await default.enqueue("work", bytes(1024 * 1024))


@given(
    st.dictionaries(
        st.sampled_from(["delay", "priority", "attempts", "id", "timeout", "keep_result", "lease"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()),
    )
)
def test_any_value_is_accepted_or_refused_with_its_option_named(options: dict[str, Any]) -> None:
    refused: ConfigInvalid | None = None
    try:
        JobOptions(**options).wire()
    except ConfigInvalid as error:
        refused = error
    if refused is not None:
        assert any(name in str(refused) for name in options)
        assert len(str(refused)) < 400


def test_options_are_shown_as_they_were_given() -> None:
    assert repr(JobOptions(priority=3, backoff=Exponential(base=2))).startswith(
        "JobOptions(priority=3, backoff=Exponential(base=2"
    )
