"""Each limit against abuse has an error of its own type, with the value and the limit."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, JobOptions, PayloadTooLarge, Queue, QueueFull

CENTURY = 100 * 366 * 24 * 3600


@pytest.mark.requirement("S3")
@pytest.mark.parametrize(
    ("option", "value", "limit"),
    [
        ("priority", 1024, "-1024 to 1023"),
        ("priority", -1025, "-1024 to 1023"),
        ("priority", 10**400, "-1024 to 1023"),
        ("delay", CENTURY + 1, "a hundred years"),
        ("delay", -0.001, "from 0 s"),
        ("delay", math.inf, "a hundred years"),
        ("delay", math.nan, "a hundred years"),
        ("at", datetime(2300, 1, 1, tzinfo=UTC), "2200"),
        ("expires", CENTURY + 1, "a hundred years"),
        ("timeout", 0, "from 0.001 s"),
        ("lease", 0.4, "from 0.5 s"),
        ("attempts", 10_001, "1 to 10000"),
        ("max_deliveries", 1001, "1 to 1000"),
        ("keep_result", CENTURY + 1, "a hundred years"),
        ("keep_dead", CENTURY + 1, "a hundred years"),
        ("id", "x" * 257, "1 to 256 bytes"),
        ("id", "é" * 129, "1 to 256 bytes"),
        ("headers", {"h": "x" * 16_384}, "16384 bytes"),
    ],
)
async def test_an_option_out_of_range_is_refused_with_its_limit(
    queue: Queue, option: str, value: Any, limit: str
) -> None:
    with pytest.raises(ConfigInvalid, match=limit) as caught:
        JobOptions(**{option: value})
    assert option in str(caught.value)
    assert len(str(caught.value)) < 500
    with pytest.raises(ConfigInvalid, match=limit):
        await queue.enqueue("work", **{option: value})
    assert (await queue.counts()).unfinished == 0


@pytest.mark.requirement("S3")
@pytest.mark.parametrize("what", ["queue", "namespace", "task"])
async def test_a_name_has_128_characters_at_most(server_url: str, what: str) -> None:
    names = {"queue": "q", "namespace": "test", "task": "work", what: "n" * 128}
    queue = Queue(names["queue"], server_url, namespace=names["namespace"])
    assert (await queue.enqueue(names["task"])).created
    await queue.destroy(force=True)
    await queue.close()
    names[what] += "n"
    with pytest.raises(ConfigInvalid, match="1 to 128 characters"):
        await Queue(names["queue"], server_url, namespace=names["namespace"]).enqueue(names["task"])


@pytest.mark.requirement("S3", "B33")
async def test_a_payload_of_a_mebibyte_is_the_largest(queue: Queue) -> None:
    room = 1024 * 1024 - 20
    assert (await queue.enqueue("work", b"x" * room)).created
    with pytest.raises(PayloadTooLarge, match=r"the limit of queue .* is 1048576"):
        await queue.enqueue("work", b"x" * (room + 20))
    assert (await queue.counts()).queued == 1


async def test_a_full_queue_and_a_schedule_below_a_second_are_refused(
    server_url: str, queue_name: str
) -> None:
    queue = Queue(queue_name, server_url, namespace="test", max_length=2)
    await queue.enqueue_many([queue.bind("work")] * 2)
    with pytest.raises(QueueFull, match="holds 2 waiting jobs and takes 2"):
        await queue.enqueue("work")
    for seconds in (0.999, 0, -1, math.nan):
        with pytest.raises(ConfigInvalid, match="every"):
            await queue.schedule("s", queue.bind("work"), every=seconds)
    with pytest.raises(ConfigInvalid):
        await queue.schedule("s", queue.bind("work"), cron="* * * * * * * *")
    assert await queue.schedules() == []
    for option in ("max_payload", "max_length"):
        with pytest.raises(ConfigInvalid, match=f"{option} must be a whole number from 1, got 0"):
            Queue("q", server_url, **{option: 0})  # type: ignore[arg-type]
    await queue.close()
