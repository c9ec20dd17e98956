"""What `doctor` asks a server about itself and about one queue; it writes nothing."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiojobs_redis._redis.faults import FAULTS, translate
from aiojobs_redis._redis.probe import ServerInfo, check_server
from aiojobs_redis._redis.rights import find_lacking
from aiojobs_redis._redis.scripts import SCRIPTS
from aiojobs_redis._redis.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.rights import Lacking
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.durability import Durability

__all__ = ["Audit", "Diagnosis"]

_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Audit:
    """What is wrong between the records of a queue and its indexes.

    Attributes:
        members: Index and id of members without a record.
        records: Ids of records that no index has.
    """

    members: list[tuple[str, str]]
    records: list[str]


class Diagnosis:
    """Examines one queue and its server.

    Args:
        store: The queue.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def server(self) -> ServerInfo:
        """Return what the server says of itself.

        Raises:
            RedisIncompatible: It is too old.
            QueueUnavailable: Redis did not answer.
        """
        async with self._link() as link:
            return await check_server(link)

    async def settings(self) -> Settings:
        """Return the settings that decide what the server keeps.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        async with self._link() as link:
            return await read_settings(link)

    async def round_trips(self, count: int) -> list[float]:
        """Return how long each of some PINGs took, in seconds.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        found: list[float] = []
        async with self._link() as link:
            await link.call("PING")
            for _ in range(count):
                began = time.perf_counter()
                await link.call("PING")
                found.append(time.perf_counter() - began)
        return found

    async def skew(self) -> float:
        """Return the seconds by which the server's clock is ahead of this host's.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        async with self._link() as link:
            await link.call("TIME")
            began = time.time()
            seconds, micros = await link.call("TIME")
            middle = (began + time.time()) / 2
        return int(seconds) + int(micros) / 1e6 - middle

    async def lacking(self, durability: Durability | None = None) -> Lacking | None:
        """Return the rights that are missing, None where that cannot be found out.

        Args:
            durability: What has to confirm the queue's enqueues.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        if self._store.server.is_cluster or self._store.server.in_memory:
            return None
        async with self._link() as link:
            return await find_lacking(link, self._store, durability)

    async def load_scripts(self) -> int:
        """Load every script and return how many there are.

        Raises:
            AiojobsError: The server refuses one.
            QueueUnavailable: Redis did not answer.
        """
        plain = self._store.server.in_memory
        async with self._link() as link:
            for script in SCRIPTS.values():
                await link.call("SCRIPT", "LOAD", script.bare if plain else script.text)
        return len(SCRIPTS)

    async def audit(self, sample: int) -> Audit:
        """Compare records with indexes.

        Args:
            sample: Records, and members of each index, to look at.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        members: set[tuple[str, str]] = set()
        records: set[str] = set()
        for _ in range(-(-sample // _SAMPLE)):
            flat, strays = await self._store.ask("audit", _SAMPLE)
            pairs = zip(flat[::2], flat[1::2], strict=True)
            members |= {
                (key.decode().rpartition(":")[2], job.decode(errors="replace"))
                for key, job in pairs
            }
            records |= {job.decode(errors="replace") for job in strays}
        return Audit(sorted(members), sorted(records))

    async def parked(self, most: int) -> tuple[int, list[str]]:
        """Return how many jobs wait for a worker that knows their task, and the names of tasks.

        Args:
            most: Jobs to look at for the names.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        key = self._store.keys["unknown"]
        async with self._link() as link:
            number = await link.call("ZCARD", key)
            members = await link.call("ZRANGE", key, 0, most - 1)
        names = {member.partition(b",")[0].decode(errors="replace") for member in members}
        return int(number), sorted(names)

    @contextlib.asynccontextmanager
    async def _link(self) -> AsyncGenerator[Link]:
        server = self._store.server
        try:
            async with server.borrow() as link:
                yield link
        except FAULTS as error:
            raise translate(error, server.label) from error
