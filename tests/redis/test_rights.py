"""The users that docs/redis.md ships: each may do what it is for, and nothing beside it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from aiojobs_redis import AiojobsError, JobFailed, JobState, Queue, QueueUnavailable, Worker
from aiojobs_redis._redis.scripts import SCRIPTS
from tests.support.acl import as_user, grant, rules
from tests.support.raw import dump, raw
from tests.support.waiting import wait_until

PRODUCER = {
    *(
        "enqueue",
        "enqueue_one",
        "enqueue_plain",
        "outcome",
        "states",
        "inspect",
        "counts",
        "cancel",
        "emit",
    ),
    *("schedule", "read_schedules", "unschedule", "pause_schedule"),
}
READER = {
    *("audit", "counts", "states", "page", "inspect", "registry", "read_schedules"),
    *("metrics", "priorities", "read_actions"),
}
EVENTS = {"xread", "xrange", "xrevrange"}
DIRECT = {
    "producer": {"evalsha", "script|load", "subscribe", "info", *EVENTS},
    "worker": {"evalsha", "script|load", "subscribe", "info", "bzpopmin", *EVENTS},
    "reader": {"evalsha", "script|load", "info", "time", "xlen", *EVENTS},
}
FORBIDDEN = [
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("CONFIG", "SET", "maxmemory", "1"),
    ("CONFIG", "GET", "*"),
    ("DEBUG", "SLEEP", "0"),
    ("EVAL", "return 1", "0"),
    ("FUNCTION", "FLUSH"),
    ("SCRIPT", "FLUSH"),
    ("ACL", "LIST"),
    ("CLIENT", "LIST"),
    ("MONITOR",),
    ("SHUTDOWN",),
    ("REPLICAOF", "NO", "ONE"),
    ("MODULE", "LIST"),
    ("SAVE",),
    ("DUMP", "ajr:{q}:jobs"),
    ("GET", "other"),
    ("SET", "other", "1"),
]

_REFUSED = "ACL failure|permission|not allowed from script|can't run this command"
_COMMAND = re.compile(r"redis\.p?call\('([A-Z]+)'")


@pytest.mark.requirement("S7")
def test_each_user_is_given_exactly_the_commands_of_its_scripts() -> None:
    scripts = {"producer": PRODUCER, "worker": set(SCRIPTS), "reader": READER}
    given = rules()
    assert set(given) == set(scripts)
    for role, names in scripts.items():
        used = {
            command.lower()
            for name in names
            for command in _COMMAND.findall(SCRIPTS[name].bare.decode())
        }
        allowed = {rule[1:] for rule in given[role] if rule[0] == "+"}
        assert allowed == used | DIRECT[role], role
        assert [rule for rule in given[role] if rule[0] in "~&%"][:1] == ["~ajr:*"]
        assert "-@all" in given[role]
        assert not any(rule.startswith("+@") for rule in given[role])


@pytest.mark.requirement("S7")
@pytest.mark.parametrize("role", ["producer", "worker", "reader"])
async def test_what_harms_a_server_is_denied(real_url: str, role: str) -> None:
    client: Any
    async with redis.asyncio.Redis.from_url(grant(real_url, role)) as client:
        for command in FORBIDDEN:
            # Of DEBUG the server's configuration speaks first.
            with pytest.raises(redis.exceptions.ResponseError, match=r"permission|DEBUG .*allowed"):
                await client.execute_command(*command)
        # Nor does a script of its own get around that.
        for call in ("'KEYS','*'", "'FLUSHALL'", "'GET','other'", "'CONFIG','GET','*'"):
            sha = await client.script_load(f"return redis.call({call})")
            with pytest.raises(redis.exceptions.ResponseError, match=_REFUSED):
                await client.evalsha(sha, 0)


class Three:
    """One queue as the three users see it."""

    def __init__(self, url: str, name: str, namespace: str = "test") -> None:
        self.producer, self.worker, self.reader = (
            Queue(
                name,
                grant(url, role, [namespace], f"{namespace}-{role}"),
                namespace=namespace,
            )
            for role in ("producer", "worker", "reader")
        )

        @self.worker.task(attempts=2, backoff=[0.0])
        async def work(text: str) -> str:
            if text == "fail":
                raise ValueError(text)
            return text

    async def close(self) -> None:
        for queue in (self.producer, self.worker, self.reader):
            await queue.close()

    async def live(self) -> None:
        """Go once through what the three do with a queue."""
        producer, worker, reader = self.producer, self.worker, self.reader
        await producer.connect()
        plain = await producer.enqueue("work", "a")
        again = await producer.enqueue("work", "b", priority=5)
        later = await producer.enqueue("work", "c", delay=0.05)
        never = await producer.enqueue("work", "d", delay=3600)
        failed = await producer.enqueue("work", "fail")
        many = await producer.enqueue_many([producer.bind("work", f"{n}") for n in range(50)])
        await producer.schedule("pulse", producer.bind("work", "tick"), every=1)
        assert await producer.pause_schedule("pulse")
        assert await producer.resume_schedule("pulse")
        assert await never.cancel("not needed")
        async with Worker(worker, concurrency=10):
            for job, text in ((plain, "a"), (again, "b"), (later, "c")):
                assert await job.result(10) == text
            assert len(await asyncio.gather(*(job.result(10) for job in many))) == 50
            with pytest.raises(JobFailed, match="ValueError"):
                await failed.result(10)

            async def ticked() -> bool:
                [pulse] = await reader.schedules()
                return pulse.runs > 0

            await wait_until(ticked, "the schedule to make a job")
            [shown] = await reader.workers()
            await worker.quiet_worker(shown.id)

            async def quiet() -> bool:
                return [info.state for info in await reader.workers()] == ["quiet"]

            await wait_until(quiet, "the worker to be quiet")
            await worker.resume_worker(shown.id)
            # The job of another tick may wait there.
            assert {each.priority for each in await reader.priorities()} <= {0}
            assert (await reader.health()).ok
        assert await producer.unschedule("pulse")
        assert (await producer.counts()).dead == 1
        [dead] = await reader.dead_letters()
        assert dead.args == ["fail"]
        assert await reader.job(failed.id).state() is JobState.DEAD
        assert len(await reader.jobs("completed", limit=1000)) >= 53
        assert (await reader.counts()).cancelled == 1
        assert (await reader.metrics()).tasks["work"].dead == 1
        await worker.pause()
        await worker.resume()
        await worker.replay(failed.id)
        assert await worker.job(failed.id).cancel()
        await worker.destroy()


@pytest.fixture
async def three(real_url: str, queue_name: str) -> AsyncIterator[Three]:
    """A queue with the three users for its namespace."""
    three = Three(real_url, queue_name)
    yield three
    await three.close()


@pytest.mark.requirement("S7")
async def test_the_three_users_can_do_what_they_are_for(three: Three, redis_client: Any) -> None:
    await redis_client.execute_command("ACL", "LOG", "RESET")
    await three.live()
    # Only redis-py's own introduction of itself was denied.
    denied = await redis_client.execute_command("ACL", "LOG")
    assert {_field(entry, b"object") for entry in denied} <= {b"client|setinfo", b"client"}


def _field(entry: Any, name: bytes) -> bytes:
    if isinstance(entry, dict):
        return bytes(entry[name])
    return bytes(dict(zip(entry[::2], entry[1::2], strict=True))[name])


@pytest.mark.requirement("S7")
async def test_a_reader_changes_nothing_and_a_producer_runs_nothing(
    three: Three, redis_client: Any, real_url: str
) -> None:
    job = await three.producer.enqueue("work", "a")
    admin = Queue(three.producer.name, real_url, namespace="test")
    before = await dump(admin)
    reader, producer = three.reader, three.producer
    for change in (
        lambda: reader.enqueue("work", "b"),
        lambda: reader.job(job.id).cancel(),
        lambda: reader.pause(),
        lambda: reader.stop_worker("w"),
        lambda: reader.replay(job.id),
        lambda: reader.destroy(force=True),
        lambda: reader.schedule("pulse", reader.bind("work", "x"), every=60),
        lambda: reader.unschedule("pulse"),
        lambda: producer.destroy(force=True),
    ):
        with pytest.raises(AiojobsError):
            await change()
    assert await dump(admin) == before
    await admin.close()


@pytest.mark.requirement("S7")
@pytest.mark.requirement("F19")
async def test_a_waiter_that_must_not_be_told_breaks_no_exchange(
    three: Three, real_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Whoever may write to `waiters` names a channel that the worker's user may not publish to.
    job = await three.producer.enqueue("work", "a")
    admin = Queue(three.producer.name, real_url, namespace="test")
    await raw(admin, "HSET", admin.store.keys["waiters"], job.id, "other:channel")
    async with Worker(three.worker):
        assert await job.result(10) == "a"
        assert await (await three.producer.enqueue("work", "b")).result(10) == "b"
    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == []
    await admin.close()


@pytest.mark.requirement("S8")
async def test_two_namespaces_with_users_of_their_own_see_nothing_of_each_other(
    real_url: str, queue_name: str, redis_client: Any
) -> None:
    one, two = Three(real_url, queue_name, "one"), Three(real_url, queue_name, "two")
    kept = await two.producer.enqueue("work", "kept")
    await redis_client.execute_command("ACL", "LOG", "RESET")
    seen = await _monitored(redis_client, one.live())
    assert len(seen) > 300
    strange = [line for line in seen if "two:{" in line]
    assert strange == []
    assert await kept.state() is JobState.QUEUED

    # Both at once: neither is woken by, nor reads, nor writes what is the other's.
    await asyncio.gather(one.live(), two.live())
    denied = await redis_client.execute_command("ACL", "LOG")
    assert {_field(entry, b"object") for entry in denied} <= {b"client|setinfo", b"client"}

    # And whoever tries is refused.
    for user in ("one-producer", "one-worker", "one-reader"):
        async with asyncio.timeout(20):
            await _refused(Queue(queue_name, as_user(real_url, user), namespace="two"), kept.id)
        client: Any
        async with redis.asyncio.Redis.from_url(as_user(real_url, user)) as client:
            for command in (("SUBSCRIBE",), ("PUBLISH", "")):
                name, *rest = command
                with pytest.raises(redis.exceptions.NoPermissionError):
                    await client.execute_command(name, f"two:{{{queue_name}}}:finished:x", *rest)
    for each in (one, two):
        await each.close()


async def _refused(thief: Queue, id: str) -> None:
    for attempt in (
        thief.counts,
        lambda: thief.enqueue("work", "x"),
        lambda: thief.job(id).info(),
        thief.pause,
    ):
        with pytest.raises(QueueUnavailable, match="refused this client"):
            await attempt()
    await thief.close()


async def _monitored(client: Any, work: Any) -> list[str]:
    """Return every command that the server ran meanwhile, those of scripts included."""
    seen: list[str] = []
    async with client.monitor() as monitor:

        async def read() -> None:
            async for entry in monitor.listen():
                command = str(entry["command"])
                if command == "ECHO the-end":
                    return
                seen.append(command)

        reading = asyncio.create_task(read())
        await work
        await client.execute_command("ECHO", "the-end")
        await asyncio.wait_for(reading, 10)
    return seen
