"""What somebody writes into Redis by hand runs nothing, imports nothing and costs little."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aiojobs_redis import AiojobsError, JobFailed, JobState, Queue, Worker
from tests.redis.worker.test_bad_specs import replace_spec
from tests.support.other_process import run_python
from tests.support.raw import raw
from tests.support.waiting import wait_until

MIB = 1024 * 1024


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._path}",)


@pytest.fixture
def crater(tmp_path: Path) -> Path:
    """Where the bomb leaves its mark; that it does is checked first."""
    path = tmp_path / "crater"
    pickle.loads(pickle.dumps(Bomb(path)))
    assert path.exists()
    path.unlink()
    return path


@pytest.mark.requirement("S1")
async def test_a_pickled_bomb_in_the_place_of_a_payload_is_dead(queue: Queue, crater: Path) -> None:
    @queue.task
    async def work(value: Any) -> None:
        return None

    bomb = pickle.dumps(Bomb(crater))
    encode = msgspec.msgpack.encode
    specs = {
        "spec": bomb,
        "version": encode([bomb, "work", [[1]]]),
        "task": encode([1, bomb, [[1]]]),
        "call": encode([1, "work", bomb]),
        "positional": encode([1, "work", [bomb]]),
        "keywords": encode([1, "work", [[], bomb]]),
        "options": encode([1, "work", [[1]], bomb, {}]),
        "back-off": encode([1, "work", [[1]], {"backoff": bomb}, {}]),
        "timeout": encode([1, "work", [[1]], {"timeout": bomb}, {}]),
        "headers": encode([1, "work", [[1]], {}, bomb]),
        "header": encode([1, "work", [[1]], {}, {"h": bomb}]),
        "extension": encode([1, "work", [[msgspec.msgpack.Ext(1, bomb)]], bomb, {}]),
    }
    jobs = {name: await work.enqueue(1) for name in specs}
    for name, job in jobs.items():
        await replace_spec(queue, job.id, specs[name])
    # As an argument it is bytes like any other.
    harmless = await work.enqueue(bomb)
    async with Worker(queue):
        assert await harmless.result(10) is None
        for name, job in jobs.items():
            with pytest.raises(JobFailed):
                await job.result(10)
            info = await job.info()
            assert info is not None, name
            assert info.state is JobState.DEAD, name
    assert not crater.exists()


@pytest.mark.requirement("S1")
@pytest.mark.corrupts
async def test_a_pickled_bomb_in_every_other_value_runs_nothing(queue: Queue, crater: Path) -> None:
    @queue.task
    async def work(value: int) -> int:
        if value < 0:
            raise ValueError(value)
        return value

    done = await work.enqueue(1)
    failed = await work.options(attempts=1).enqueue(-1)
    async with Worker(queue):
        await done.result(10)
        with pytest.raises(JobFailed):
            await failed.result(10)
    await queue.schedule("later", work.bind(1), every=3600)
    waiting = await work.enqueue(2)
    bomb, hit = pickle.dumps(Bomb(crater)), 0
    for name, key in queue.store.keys.items():
        kind = await raw(queue, "TYPE", key)
        if kind == b"hash" and name != "jobs":
            for field in await raw(queue, "HKEYS", key):
                await raw(queue, "HSET", key, field, bomb)
                hit += 1
            await raw(queue, "HSET", key, bomb, bomb)
        elif kind == b"zset":
            await raw(queue, "ZADD", key, 0, bomb)
            hit += 1
    assert hit > 10
    readers = (
        *(lambda: done.result(1), lambda: failed.result(1), done.info, failed.info),
        *(queue.counts, queue.schedules, queue.workers, queue.dead_letters),
        *(lambda: queue.jobs("completed"), lambda: queue.jobs("queued"), waiting.info),
        *(lambda: queue.trigger("later"), lambda: queue.replay(failed.id)),
    )
    for read in readers:
        with contextlib.suppress(AiojobsError, ValueError, KeyError, TimeoutError):
            await read()
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await asyncio.wait([running], timeout=1.5)
    worker.stop(grace=1)
    await asyncio.wait([running], timeout=10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not crater.exists()


NAMES = [
    "os.system",
    "antigravity.geohash",
    "this.d",
    "__import__",
    "__class__.__mro__",
    "builtins:eval",
    "queue.task",
    "work.__globals__",
]


@pytest.mark.requirement("S2")
async def test_a_task_name_is_looked_up_and_never_imported(queue: Queue) -> None:
    ran = []

    @queue.task
    async def work(value: str = "") -> str:
        ran.append(value)
        return value

    before = set(sys.modules)
    jobs = [await queue.enqueue(name, "touch /tmp/never") for name in NAMES]
    odd = [await work.enqueue("x") for _ in range(4)]
    for job, name in zip(odd, ("os system", "../work", "work\n", "a,b"), strict=True):
        await replace_spec(queue, job.id, msgspec.msgpack.encode([1, name, [["x"]]]))
    async with Worker(queue):

        async def parked() -> bool:
            return (await queue.counts()).blocked == len(NAMES)

        await wait_until(parked, "the unknown tasks to be parked")
        for job in odd:
            with pytest.raises(JobFailed, match=r"task name .* is not allowed"):
                await job.result(10)
        assert await (await work.enqueue("y")).result(10) == "y"
    assert ran == ["y"]
    for job in jobs:
        assert await job.state() is JobState.BLOCKED
    assert not {"antigravity", "this"} & (set(sys.modules) - before)


@pytest.mark.requirement("S3")
async def test_a_payload_over_the_limit_is_refused_at_the_claim_too(
    server_url: str, queue_name: str
) -> None:
    queue = Queue(queue_name, server_url, namespace="test", max_payload=10_000)
    ran = []

    @queue.task
    async def work(data: bytes) -> int:
        ran.append(len(data))
        return len(data)

    job, sound = await work.enqueue(b"x"), await work.enqueue(b"x" * 9000)
    await replace_spec(queue, job.id, msgspec.msgpack.encode([1, "work", [[b"x" * 10_000]]]))
    async with Worker(queue):
        with pytest.raises(JobFailed, match=r"PayloadTooLarge: .* is 100\d\d bytes.*takes 10000"):
            await job.result(10)
        assert await sound.result(10) == 9000
    assert ran == [9000]
    await queue.close()


@pytest.mark.requirement("S3")
async def test_a_hostile_mebibyte_costs_a_worker_little_memory() -> None:
    code = """
        import asyncio, resource
        import msgspec
        from aiojobs_redis import Queue, Worker
        from tests.redis.worker.test_bad_specs import replace_spec

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

        async def main():
            queue = Queue("q", "memory://", namespace="test", max_payload=1024 * 1024 + 100)

            @queue.task
            async def work(value): return None

            await (await work.enqueue(1)).state()
            jobs = [await work.enqueue(1) for _ in range(2)]
            head = msgspec.msgpack.encode([1, "work"])[1:]
            # A MiB of empty maps, as the arguments and as one argument.
            size = 1024 * 1024 - 100
            for job, mark in zip(jobs, (b"\\x91", b"\\x91\\x91")):
                body = b"\\x93" + head + mark + b"\\xdd" + size.to_bytes(4, "big") + b"\\x80" * size
                await replace_spec(queue, job.id, body)
            before = peak()
            await Worker(queue).run(burst=True)
            print(peak() - before, *[await job.state() for job in jobs])
        asyncio.run(main())
    """
    grown, *states = (await run_python(code)).split()
    assert int(grown) <= 300, "two payloads, 150 MiB each"
    assert states == ["dead", "completed"]
