"""Records, specs and index members that something else has overwritten: the rest goes on (F7)."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import JobState, Queue, Worker
from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support import figures, invariants
from tests.support.other_process import start_python
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw as raw_call
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.tiers import sizes
from tests.support.waiting import wait_until

BATCH = 120
INDEXES = (
    *("ready", "suspects", "scheduled", "retrying", "leases", "blocked"),
    *("completed", "kept", "dead", "cancelled"),
)
SOUND = (
    invariants.only_the_fixed_keys_exist,
    invariants.every_job_is_in_the_one_index_of_its_state,
    invariants.every_index_member_has_a_spec,
    invariants.every_run_record_is_whole_and_has_a_spec,
    invariants.only_running_jobs_have_a_token,
    invariants.results_are_of_completed_jobs,
    invariants.errors_are_of_known_jobs,
)
"""What does not depend on options, which a bent spec has no more."""
SCORES = (float("-inf"), float("inf"), -1, 0, 1e300, 2.5, 2**53)


class Damage:
    """Overwrites what belongs to some jobs, as chance decides.

    Args:
        raw: A client of the server.
        queue: The queue.
        chance: Decides.
    """

    def __init__(self, raw: Any, queue: Queue, chance: random.Random) -> None:
        self._raw = raw
        self._keys = queue.store.keys
        self._chance = chance
        self.done: Counter[str] = Counter()

    async def do(self, job: str) -> None:
        """Damage one job in one way."""
        ways = [self._bend, self._drop, self._ghost, self._misplace, self._score]
        way = self._chance.choice(ways)
        self.done[way.__name__] += 1
        await way(job)

    async def _bend(self, job: str) -> None:
        key = self._keys[self._chance.choice(["jobs", "runs", "errors", "results"])]
        text = bytearray(await self._raw.hget(key, job) or b"")
        at, chance = self._chance.randint(0, len(text)), self._chance
        bent = chance.choice(
            [
                bytes(text[:at]),
                bytes(text[at:]),
                bytes(text[:at]) + chance.randbytes(4) + bytes(text[at + 1 :]),
                chance.randbytes(chance.randint(0, 60)),
                bytes(text) * 2,
            ]
        )
        await self._raw.hset(key, job, bent)

    async def _drop(self, job: str) -> None:
        await self._raw.hdel(self._keys[self._chance.choice(["jobs", "runs"])], job)

    async def _ghost(self, job: str) -> None:
        key = self._keys[self._chance.choice(INDEXES)]
        await self._raw.zadd(key, {f"ghost-{job}": self._chance.choice(SCORES)})

    async def _misplace(self, job: str) -> None:
        key = self._keys[self._chance.choice(INDEXES)]
        await self._raw.zadd(key, {job: self._chance.choice(SCORES)})

    async def _score(self, job: str) -> None:
        for name in INDEXES:
            key = self._keys[name]
            if await self._raw.zscore(key, job) is not None:
                await self._raw.zadd(key, {job: self._chance.choice(SCORES)})


@pytest.fixture
async def raw(own_server: ServerProcess) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(own_server.url)
    yield client
    await client.aclose()


async def leave_behind(queue: Queue, limit: int) -> None:
    """Claim jobs as a worker that dies then, whose leases run out at once."""
    link = queue.store.server.link()
    head = (secrets.token_hex(16), 1, secrets.token_hex(16), "gone", limit, 1, 0, 0, 1, "echo")
    reply = await queue.store.exchange(link, head)
    await link.close()
    await run_leases_out(queue, reply.now)


async def run_leases_out(queue: Queue, now: int) -> None:
    """Let every lease end, as time would."""
    leases = queue.store.keys["leases"]
    for job in await raw_call(queue, "ZRANGE", leases, 0, -1):
        await raw_call(queue, "ZADD", leases, now - 60_000, job)
    await raw_call(queue, "HSET", queue.store.keys["meta"], "beat", now, "hold", 0)


async def run_beside_damage(
    queue: Queue, url: str, raw: Any, chance: random.Random
) -> Counter[str]:
    """Damage four of five jobs and run them all; returns what became of the damaged ones."""

    @queue.task(attempts=2, backoff=[0.01])
    async def echo(text: str) -> str:
        return text

    victims = [f"bad-{n}" for n in range(BATCH)]
    sound = [f"good-{n}" for n in range(BATCH // 4)]
    names = chance.sample([*victims, *sound], len(victims) + len(sound))
    await queue.enqueue_many(
        [queue.bind(echo, "text", id=job, delay=chance.choice([0, 0.01])) for job in names]
    )
    await leave_behind(queue, BATCH // 3)
    damage = Damage(raw, queue, chance)
    for job in victims:
        await damage.do(job)

    async def all_good() -> bool:
        return set((await queue.states(sound)).values()) == {JobState.COMPLETED}

    async with Worker(queue, concurrency=20) as worker:
        await wait_until(all_good, "the jobs that are sound to complete", 30)
        await wait_until(lambda: not worker.runs(), "the worker to have ended the others", 30)
        await queue.store.ask("sweep", 250, "0", "0", "0", "0", "0", 0)
        later = await queue.enqueue(echo, "later")
        assert await later.result(10) == "later"
    # Nothing of what is damaged keeps the rest from being looked at.
    for state in JobState:
        await queue.jobs(state, limit=1000)
    await queue.counts()
    await mend(queue, url)
    states = await queue.states(victims)
    return Counter("gone" if state is None else state.value for state in states.values())


async def mend(queue: Queue, url: str) -> None:
    """Let the janitor look at everything, and work off what it found to be sound after all.

    A job that was in two indexes may have been claimed twice by one worker, which gives both up
    when it hears that the first was refused: what it leaves then is a lease.
    """
    await queue.store.ask("repair", 1000)
    assert await queue.store.ask("repair", 1000) == [[], 0, 0]
    client = sync_client(url)
    copy = snapshot(client, queue.namespace, queue.name)
    client.close()
    assert copy is not None
    assert [fault for check in SOUND for fault in check(copy)] == []
    await run_leases_out(queue, await queue.planner().now())
    await Worker(queue).run(burst=True)
    assert (await queue.counts()).unfinished == 0


@pytest.mark.corrupts
@pytest.mark.behaviour("F7")
@sizes(ci={"damaged": 480}, whole={"damaged": 10_000})
async def test_damage_to_some_jobs_stops_neither_worker_nor_others(
    own_server: ServerProcess, raw: Any, size: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    chance, ended, batches = random.Random(7), Counter[str](), -(-size["damaged"] // BATCH)
    for number in range(batches):
        async with Queue(f"damaged-{number}", url=own_server.url) as queue:
            ended += await run_beside_damage(queue, own_server.url, raw, chance)

    assert ended.keys() <= {"completed", "dead", "cancelled", "gone"}
    broken = [record.getMessage() for record in caplog.records if record.exc_info]
    assert broken == []
    figures.record(
        "F7",
        n=batches * BATCH,
        tier=size["tier"],
        note="of those damaged: " + ", ".join(f"{n} {state}" for state, n in sorted(ended.items())),
    )


REPAIR = """
    import asyncio, sys
    from aiojobs_redis import Queue

    async def main():
        async with Queue(sys.argv[2], url=sys.argv[1], namespace="test") as queue:
            await queue.store.ask("repair", 100)

    asyncio.run(main())
"""


@pytest.mark.behaviour("F2", "F7")
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_janitor_that_is_killed_while_it_mends_leaves_each_job_in_one_place(
    start_server: Callable[..., ServerProcess], moment: str
) -> None:
    server, held = start_server(), asyncio.Event()
    queue = Queue("mended", url=server.url, namespace="test")
    for job in ("sound", "lost"):
        await queue.enqueue("echo", id=job)
    await raw_call(queue, "ZREM", queue.store.keys["ready"], "lost")

    async def hold(words: list[bytes]) -> None:
        if runs_script("repair")(words):
            held.set()
            await asyncio.Event().wait()

    # Or the first command would be the one that asks for the script.
    await raw_call(queue, "SCRIPT", "LOAD", SCRIPTS["repair"].text)
    async with Proxy(server.socket) as proxy:
        setattr(proxy, moment, hold)
        process = await start_python(REPAIR, proxy.url, "mended")
        await wait_until(held.is_set, "the script to be on its way", 20)
        process.kill()
        await process.wait()

    mended = [[b"lost"], 0, 0] if moment == "before" else [[], 0, 0]
    assert await queue.store.ask("repair", 100) == mended
    states = await queue.states(["sound", "lost"])
    assert states == {"sound": JobState.QUEUED, "lost": JobState.DEAD}
    (info,) = await queue.dead_letters()
    assert [error.type for error in info.errors] == ["corrupt"], "once, and no more"
    await queue.close()
