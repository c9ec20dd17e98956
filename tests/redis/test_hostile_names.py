"""Names that were made to reach other keys: refused, or data like any other."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest

from aiojobs_redis import ConfigInvalid, Queue, Worker
from aiojobs_redis._redis.keys import KEY_NAMES, queue_keys
from tests.support.raw import dump, raw

pytestmark = pytest.mark.requirement("S6")

NAMES = 10_000
PIECES = [
    *("{", "}", "*", "?", "[", "]", "\n", "\0", "\r\n", " ", ",", "'", '"', "\\", "$", "%s", "]]"),
    *("--", "KEYS[1]", "redis.call('FLUSHALL')", "jobs", ":meta", "}:jobs", "\u202e", "\U0001f525"),
    *("a", "B", "7", "_", ".", ":", "-", "é", "\x7f", "\ud7ff", "ajr:{q}:jobs", "1;", "e0"),
]


def hostile(seed: int) -> str:
    """Return a name out of pieces that mean something to somebody."""
    choice = random.Random(seed)
    if seed % 4 == 0:
        plain = string.ascii_letters + string.digits + "_.:-"
        return "".join(choice.choices(plain, k=choice.randint(1, 130)))
    return "".join(choice.choices(PIECES, k=choice.randint(0, 8)))


async def own(queue: Queue) -> dict[bytes, Any]:
    """Return what stands in the keys of one queue."""
    keys = set(queue.store.keys.values())
    return {key: value for key, value in (await dump(queue)).items() if key in keys}


def test_ten_thousand_names_are_refused_or_have_keys_of_their_own() -> None:
    owners: dict[bytes, tuple[str, str]] = {}
    taken = refused = 0
    plain = set(string.ascii_letters + string.digits + "_.:-")
    for seed in range(NAMES):
        name = hostile(seed)
        for namespace, queue in ((name, "q"), ("ns", name)):
            try:
                Queue(queue, "memory://names", namespace=namespace)
            except ConfigInvalid as error:
                refused += 1
                told = len(str(error))
                fits = set(name) <= plain and 1 <= len(name) <= 128
                if told > 300 or fits:
                    pytest.fail(f"{name!r}: {error}")
                continue
            taken += 1
            assert set(name) <= plain
            assert 1 <= len(name) <= 128
            for key in queue_keys(namespace, queue).values():
                # The one pair of braces says which queue, whatever is in the names.
                assert owners.setdefault(key, (namespace, queue)) == (namespace, queue)
                assert key.count(b"{") == key.count(b"}") == 1
                assert key.partition(b"{")[2].partition(b"}")[0] == queue.encode()
    assert taken > 4000
    assert refused > 10_000


async def test_ten_thousand_ids_reach_no_key_of_another_queue(real_queue: Queue) -> None:
    @real_queue.task
    async def work(number: int) -> int:
        return number

    neighbours = [
        Queue(real_queue.name, real_queue.store.server._url, namespace="test2"),
        Queue(f"{real_queue.name}:jobs", real_queue.store.server._url, namespace="test"),
    ]
    for neighbour in neighbours:
        await neighbour.enqueue("work", 1, id="a")
    before = [await own(neighbour) for neighbour in neighbours]
    ids = {hostile(seed) for seed in range(NAMES)} | {f"{n}{hostile(n)}" for n in range(NAMES)}
    ids = {id for id in ids if 1 <= len(id.encode()) <= 256}
    assert len(ids) > NAMES
    calls = [work.options(id=id).bind(n) for n, id in enumerate(sorted(ids))]
    jobs = await real_queue.enqueue_many(calls)
    assert all(job.created for job in jobs)
    await Worker(real_queue, concurrency=500).run(burst=True)
    assert (await real_queue.counts()).completed == len(ids)
    for job, number in random.Random(1).sample([(j, n) for n, j in enumerate(jobs)], 200):
        assert await job.result(10) == number
    allowed = set(real_queue.store.keys.values())
    found = set(await raw(real_queue, "KEYS", f"*{{{real_queue.name}}}*"))
    assert {key for key in found if key.startswith(b"test:")} <= allowed
    assert len(allowed) == len(KEY_NAMES)
    assert [await own(neighbour) for neighbour in neighbours] == before
    for neighbour in neighbours:
        await neighbour.destroy(force=True)
        await neighbour.close()
