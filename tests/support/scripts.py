"""Calls single scripts, as one worker and one producer would, and reads the keys."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import redis.asyncio

from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.store import Claim, Exchange, Store

__all__ = ["Scripts", "dump", "flow_words", "named", "netstrings", "token"]

TASK = "work"


class Member(NamedTuple):
    """A completion as accept.lua takes it."""

    id: str | bytes
    token: str
    what: str
    ms: str = "5"
    value: bytes | str = b""


def token(claim: Claim, nonce: str) -> str:
    """Return the token of a lease."""
    return f"{claim.fence},{nonce}"


def flow_words(parents: Mapping[str, Sequence[str]], options: str = ",ff") -> list[Any]:
    """Return jobs by their parents as enqueue_flow.lua takes them."""
    jobs = [
        part
        for job, own in parents.items()
        for part in (job, "1" + options if own else "1", "spec")
    ]
    return [*jobs, *(netstrings(own) for own in parents.values() if own)]


def netstrings(ids: Sequence[str]) -> bytes:
    """Return ids as one text."""
    texts = [one.encode(errors="surrogateescape") for one in ids]
    return b"".join(b"%d:%s" % (len(text), text) for text in texts)


def named(names: Sequence[str], policy: str = "f", floors: Sequence[str] = ()) -> bytes:
    """Return the value of a completion by which a job waits for jobs that it names."""
    parts = (policy.encode(), netstrings(names), netstrings(floors))
    return b"".join(b"%d:%s" % (len(part), part) for part in parts)


async def dump(raw: Any, pattern: str) -> dict[bytes, Any]:
    """Return the contents of the keys that match, in a form to compare."""
    keys = await raw.keys(pattern)
    async with raw.pipeline(transaction=False) as reading:
        for key in keys:
            reading.type(key)
        for key, kind in zip(keys, await reading.execute(), strict=True):
            if kind == b"hash":
                reading.hgetall(key)
            elif kind == b"zset":
                reading.zrange(key, 0, -1, withscores=True)
            elif kind == b"stream":
                reading.xrange(key)
            else:
                reading.get(key)
        return dict(zip(keys, await reading.execute(), strict=True))


class Scripts:
    """The scripts of one queue.

    Args:
        url: The server.
        queue: The queue's name.
        client: A raw client to the same server.
    """

    def __init__(self, url: str, queue: str, client: redis.asyncio.Redis) -> None:
        self.store = Store(Server.from_url(url), "test", queue)
        self.link = self.store.server.link()
        self.raw: Any = client
        self.incarnation = secrets.token_hex(16)
        self.nonce = ""
        self._counter = itertools.count(1)
        self._producer = secrets.token_hex(16)
        self._produced = itertools.count(1)

    def key(self, name: str) -> bytes:
        """Return a key by its short name."""
        return self.store.keys[name]

    async def run(self, name: str, *args: Any) -> Any:
        """Run a script, on a connection of its own while another call is under way."""
        async with self.store.server.borrow() as link:
            return await self.store.run(link, name, *args)

    async def operate(self, name: str, *args: Any) -> Any:
        """Run a script whose first argument is a number of its call, which this adds."""
        return await self.run(name, secrets.token_hex(16), *args)

    async def destroy(self, force: int = 1) -> Any:
        """Destroy the queue as it is now."""
        _, born = await self.run("mark")
        return await self.run("destroy", born, force)

    async def enqueue(
        self,
        *ids: str | bytes,
        options: str = "",
        spec: bytes = b"spec",
        counter: int | None = None,
        max_length: int | str = 0,
        rate: str = "",
        needs: int = 1,
        task: str = TASK,
    ) -> Any:
        """Add jobs of one task, all with the same options."""
        number = next(self._produced) if counter is None else counter
        jobs = [part for job in ids for part in (job, "1" + options, spec)]
        head = (self._producer, number, max_length, needs, rate, 1, task)
        keyed = rate or " " in f"{max_length}" or ",g" in options or ",u" in options
        return await self.run("enqueue" if keyed else "enqueue_plain", *head, *jobs)

    async def enqueue_flow(
        self,
        parents: Mapping[str, Sequence[str]],
        *,
        options: str = ",ff",
        counter: int | None = None,
        max_length: int = 0,
        rate: str = "",
        told: Sequence[str | bytes] = (),
        floors: Sequence[str] = (),
    ) -> Any:
        """Add jobs of one task by their parents; one without any is an ordinary job.

        In `told` are in turn queues, and what they wait for: a job of the call, or a gate; in
        `floors` queues, and the number below which what they told comes late.
        """
        number = next(self._produced) if counter is None else counter
        words = flow_words(parents, options)
        return await self.run(
            *("enqueue_flow", self._producer, number, max_length, len(parents), rate, 1, TASK),
            *(*words, netstrings(floors), *told),
        )

    async def exchange(
        self,
        *completions: Member,
        limit: int = 0,
        suspects: bool = True,
        adopt: tuple[str, ...] = (),
        counter: int | None = None,
        nonce: str | None = None,
        incarnation: str | None = None,
        after: int = 0,
    ) -> Exchange:
        """Send completions, take claims; a new nonce unless one is given."""
        self.nonce = secrets.token_hex(16) if nonce is None else nonce
        number = next(self._counter) if counter is None else counter
        flat = [part for completion in completions for part in completion]
        head = (incarnation or self.incarnation, number, self.nonce, "w1", limit, int(suspects))
        return await self.store.exchange(
            self.link, (*head, after, len(completions), 1, TASK, *flat, *adopt)
        )

    async def claim(self, limit: int = 250, **options: Any) -> list[Claim]:
        """Take jobs."""
        return (await self.exchange(limit=limit, **options)).claims

    async def claim_ids(self, limit: int = 250, **options: Any) -> list[bytes]:
        """Take jobs and return their ids."""
        return [claim.id for claim in await self.claim(limit, **options)]

    def ended(
        self, claim: Claim, code: str = "c", argument: int | str = "", value: bytes | str = b""
    ) -> Member:
        """Return the completion of a job that the last exchange claimed."""
        what = "1" if code == "c" and argument == "" else f"{code} {argument} 1"
        return Member(claim.id, token(claim, self.nonce), what, value=value)

    async def beat(
        self,
        incarnation: str | None = None,
        lead_ms: int = 3000,
        *,
        info: bytes = b"{}",
        obeyed: str = "",
        first: bool = False,
    ) -> Any:
        """Send a beat."""
        own = incarnation or self.incarnation
        words = (own, "w1", info, lead_ms, "", obeyed)
        return await self.store.beat(self.link, *words, first=first)

    async def state(self, job: str | bytes) -> str:
        """Return the letter of a job's state, empty for no such job."""
        letters = await self.run("states", job)
        return str(letters[0].decode())

    async def record(self, job: str | bytes) -> list[str]:
        """Return the fields of a run record, the header last."""
        text = await self.raw.hget(self.key("runs"), job)
        return text.decode().split(",", 10) if text else []

    async def stamp(self, job: str | bytes, run: str) -> bytes:
        """Return as what another queue is told of a job, by generation and letter as in 1c."""
        blob: bytes | None = await self.raw.hget(self.key("jobs"), job)
        if blob is None:
            return run.encode()
        return b"%b,%b,%b" % (run[:-1].encode(), blob[2:10], run[-1:].encode())

    async def post(self, who: str, after: str, *taken: Any) -> Any:
        """Run the script of that name, with stamps that say generation and letter alone."""
        words = list(taken)
        for at in range(1, len(words), 4):
            words[at + 1] = await self.stamp(words[at], words[at + 1])
        number, *flat = await self.run("post", who, after, *words)
        for at in range(2, len(flat), 4):
            flat[at] = re.sub(b",.*,", b"", flat[at])
        return [number, *flat]

    async def now(self) -> int:
        """Return the server's time in ms."""
        seconds, micros = await self.raw.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def meta(self, **fields: int | str) -> None:
        """Set fields of meta, as if they had been written so."""
        await self.raw.hset(self.key("meta"), mapping=fields)

    async def expire_lease(self, job: str | bytes) -> None:
        """Let a lease run out now, on a queue that was never silent."""
        now = await self.now()
        await self.raw.zadd(self.key("leases"), {job: now - 1000})
        await self.meta(beat=now, hold=0)

    async def make_due(self, index: str, job: str | bytes, ago: int = 1) -> None:
        """Let what waits for a time fall due."""
        await self.raw.zadd(self.key(index), {job: await self.now() - ago})

    async def close(self) -> None:
        """Close the connections."""
        self.link.abort()
        await self.store.server.close()
