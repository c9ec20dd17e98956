"""A group that Sentinel guards: a master, replicas and three Sentinels, on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redis

from tests.support.replication import replicated, sync
from tests.support.servers import ServerProcess, free_port
from tests.support.waiting import wait_until

__all__ = ["Group", "guarded"]

SERVICE = "mymaster"
SENTINELS, QUORUM = 3, 2
DOWN_AFTER_MS = 1500
_SECONDS = 30.0


class Group:
    """The servers of a group, and who of them is the master by Sentinel's word.

    Args:
        servers: Master and replicas.
        sentinels: What guards them.
    """

    def __init__(self, servers: list[ServerProcess], sentinels: list[ServerProcess]) -> None:
        self.servers = servers
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        """URL under which clients find the master of the moment."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def master(self) -> ServerProcess:
        """Return the server that the first Sentinel calls the master."""
        with sync(self.sentinels[0]) as client:
            address = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(address[1]))

    async def fail_over(self) -> float:
        """Kill the master, and wait until every Sentinel names another one.

        Returns:
            The moment at which they did, by the monotonic clock.
        """
        old = self.master()
        await asyncio.to_thread(old.kill9)

        def moved() -> bool:
            for sentinel in self.sentinels:
                with sync(sentinel) as client:
                    words = "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE
                    if int(client.execute_command(*words)[1]) == old.port:
                        return False
            return is_master(self.master())

        await wait_until(moved, "the Sentinels to name another master", _SECONDS)
        return time.monotonic()

    async def heal(self) -> None:
        """Bring dead servers back as replicas, and wait until all of them are in step."""
        for server in self.servers:
            if not server.answers():
                await asyncio.to_thread(server.start)
                # Sentinel would do it too, some ten seconds later.
                with sync(server) as client:
                    client.replicaof("127.0.0.1", str(self.master().port))
        await wait_until(self._in_step, "the replicas to be in step and known", _SECONDS)

    def _in_step(self) -> bool:
        # Asked anew each time: on a busy machine Sentinel may take a slow master for a dead one.
        others = len(self.servers) - 1
        with contextlib.suppress(redis.RedisError):
            with sync(self.master()) as client:
                about = client.info("replication")
                online = [about.get(f"slave{n}", {}).get("state") for n in range(others)]
                if online != ["online"] * others:
                    return False
            return all(self._known(sentinel) == others for sentinel in self.sentinels)
        return False

    def _known(self, sentinel: ServerProcess) -> int:
        """Return how many replicas a Sentinel would promote."""
        with sync(sentinel) as client:
            rows = client.execute_command("SENTINEL", "REPLICAS", SERVICE)
        found = [dict(zip(row[::2], row[1::2], strict=True)) for row in rows]
        return sum(
            row[b"flags"] == b"slave" and row[b"master-link-status"] == b"ok" for row in found
        )


def is_master(server: ServerProcess) -> bool:
    """Whether a server says that it is a master."""
    with contextlib.suppress(redis.RedisError), sync(server) as client:
        return bool(client.role()[0] == b"master")
    return False


@asynccontextmanager
async def guarded(binary: Path, folder: Path, replicas: int = 2) -> AsyncIterator[Group]:
    """Run a group; it is in step when it is handed out."""
    async with replicated(binary, folder, replicas=replicas) as servers:
        sentinels = []
        try:
            for number in range(SENTINELS):
                where = folder / f"sentinel-{number}"
                where.mkdir()
                config = where / "sentinel.conf"
                config.write_text(
                    f"sentinel monitor {SERVICE} 127.0.0.1 {servers[0].port} {QUORUM}\n"
                    f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
                    f"sentinel failover-timeout {SERVICE} 5000\n"
                )
                sentinel = ServerProcess(
                    binary, where, "--sentinel", port=free_port(), config=config
                )
                sentinels.append(sentinel)
                await asyncio.to_thread(sentinel.start)
            group = Group(servers, sentinels)

            def met() -> bool:
                for sentinel in sentinels:
                    with sync(sentinel) as client:
                        others = client.execute_command("SENTINEL", "SENTINELS", SERVICE)
                        if len(others) < SENTINELS - 1:
                            return False
                return True

            await wait_until(met, "the Sentinels to find each other", _SECONDS)
            await group.heal()
            yield group
        finally:
            for sentinel in sentinels:
                sentinel.kill9()
                sentinel.remove()
