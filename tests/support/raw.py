"""Plain Redis commands at the keys of a queue, past everything that the package does about them."""

from __future__ import annotations

from typing import Any

from aiojobs_redis import Queue
from aiojobs_redis._redis.connection import Server
from tests.support.acl import as_admin

__all__ = ["add_deaf_worker", "dump", "raw", "traces"]

_READ = {
    b"hash": ("HGETALL",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"stream": ("XRANGE", "-", "+"),
    b"string": ("GET",),
}


async def raw(queue: Queue, *words: str | bytes | int | float) -> Any:
    """Send a command to the queue's server and return the reply: bytes, int, list or None."""
    server = queue.store.server
    # A queue of a user with few rights is looked at by the default user.
    if server._url is None or "@" not in server._url:
        async with server.borrow() as link:
            return await link.call(*words)
    link = Server.from_url(as_admin(server._url)).link()
    try:
        return await link.call(*words)
    finally:
        await link.close()


async def add_deaf_worker(queue: Queue, name: str = "deaf", state: str = "running") -> None:
    """Put a worker into the registry that obeys nothing, and is seen for a day."""
    info = (
        f'{{"state":"{state}","host":"h","pid":1,"version":"1",'
        '"started_at":1,"concurrency":1,"running":0}'
    )
    async with queue.store.server.borrow() as link:
        await queue.store.beat(link, "d" * 32, name, info.encode(), 0, "", first=True)
    seconds, _ = await raw(queue, "TIME")
    seen = int(seconds) + 86_400
    await raw(queue, "HSET", queue.store.keys["workers"], name, f"{seen}000,{info}")


async def dump(queue: Queue) -> dict[bytes, Any]:
    """Return the content of every key that the queue has, down to the last byte."""
    found: dict[bytes, Any] = {}
    for key in sorted(await raw(queue, "KEYS", f"*{{{queue.name}}}*")):
        kind = await raw(queue, "TYPE", key)
        # A marker may be taken while one looks.
        if kind != b"none":
            command, *rest = _READ[kind]
            content = await raw(queue, str(command), key, *rest)
            # The fields of a hash come in the order of the moment.
            fields = kind == b"hash" and zip(content[::2], content[1::2], strict=True)
            found[key] = dict(fields) if fields else content
    return found


async def traces(queue: Queue, job_id: str) -> list[str]:
    """Return the names of the keys that still speak of a job; events and answers are no records."""
    name, found = job_id.encode(), []
    for short, key in queue.store.keys.items():
        if short in {"events", "producers", "ops"}:
            continue
        kind = await raw(queue, "TYPE", key)
        if kind == b"hash" and await raw(queue, "HEXISTS", key, name):
            found.append(short)
        if kind == b"zset" and await raw(queue, "ZSCORE", key, name) is not None:
            found.append(short)
    return found
