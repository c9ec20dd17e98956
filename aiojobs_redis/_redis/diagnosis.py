"""What `doctor` asks a server about itself and about one queue; it writes nothing."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis import exceptions as redis_errors

from aiojobs_redis._redis.faults import FAULTS, translate
from aiojobs_redis._redis.keys import KEY_NAMES
from aiojobs_redis._redis.probe import ServerInfo, check_server, read_section
from aiojobs_redis._redis.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Store

__all__ = ["Audit", "Diagnosis", "Lacking"]

_COMMAND = re.compile(r"redis\.p?call\('([A-Z]+)'")
_FOR_DOCTOR = frozenset({"audit"})
_SAMPLE = 100
_MOST_ARGUMENTS = 4


@dataclass(frozen=True, slots=True)
class Lacking:
    """Rights that the user of the connection does not have.

    Attributes:
        user: Its name, empty where it may not ask.
        commands: Commands that the queue needs and it may not run.
        keys: Whether there are keys of the queue that it may not read and write.
        channels: Whether there are channels of the queue that it may not use.
    """

    user: str
    commands: list[str]
    keys: bool
    channels: bool


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

    async def persistence(self) -> str | None:
        """Return ``aof``, ``snapshots`` or ``none``; None where the server does not tell.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        async with self._link() as link:
            about = await read_section(link, "persistence")
            if about.get("aof_enabled") == "1":
                return "aof"
            with contextlib.suppress(redis_errors.ResponseError):
                _, points = await link.call("CONFIG", "GET", "save")
                return "snapshots" if points else "none"
        return None

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

    async def lacking(self) -> Lacking | None:
        """Return the rights that are missing, None where that cannot be found out.

        The commands are put into a transaction that is discarded: Redis checks rights when it
        queues a command, so an ordinary user can ask, and nothing is run.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        if self._store.server.is_cluster or self._store.server.in_memory:
            return None
        async with self._link() as link:
            user = ""
            with contextlib.suppress(redis_errors.ResponseError):
                user = (await link.call("ACL", "WHOAMI")).decode()
            try:
                await link.call("MULTI")
            except redis_errors.ResponseError:
                return None
            lacks: dict[str, list[str]] = {"command": [], "key": [], "channel": []}
            for call in self._calls():
                kind = await _refusal(link, call)
                if kind:
                    lacks[kind].append(str(call[0]).lower())
            await link.call("DISCARD")
        commands = sorted(set(lacks["command"]))
        return Lacking(user, commands, bool(lacks["key"]), bool(lacks["channel"]))

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
            members |= {(key.decode().rpartition(":")[2], job.decode()) for key, job in pairs}
            records |= {job.decode() for job in strays}
        return Audit(sorted(members), sorted(records))

    def _calls(self) -> Iterator[tuple[Any, ...]]:
        keys = self._store.keys
        channel = f"{self._store.namespace}:{{{self._store.queue}}}:finished:doctor"
        yield ("EVALSHA", "0" * 40, "1", keys["meta"])
        yield ("SCRIPT", "LOAD", "return 1")
        yield ("BZPOPMIN", keys["wake"], "0")
        yield ("SUBSCRIBE", channel)
        yield ("PUBLISH", channel, "")
        yield ("TIME",)
        texts = [script.bare for name, script in SCRIPTS.items() if name not in _FOR_DOCTOR]
        used = {name for text in texts for name in _COMMAND.findall(text.decode())}
        for name in sorted(used - {"PUBLISH", "TIME"}):
            yield (name, keys["meta"])
        for name in KEY_NAMES:
            yield ("HGET", keys[name], "f")
            yield ("HSET", keys[name], "f", "v")

    @contextlib.asynccontextmanager
    async def _link(self) -> AsyncIterator[Link]:
        server = self._store.server
        try:
            async with server.borrow() as link:
                yield link
        except FAULTS as error:
            raise translate(error, server.label) from error


async def _refusal(link: Link, call: tuple[Any, ...]) -> str | None:
    """Return what the user may not do of a call: run the command, use the key, the channel."""
    for extra in range(_MOST_ARGUMENTS + 1):
        try:
            await link.call(*call, *["0"] * extra)
        except redis_errors.NoPermissionError as error:
            text = str(error)
            return next((kind for kind in ("key", "channel") if f"a {kind}" in text), "command")
        except redis_errors.ResponseError as error:
            # The number of arguments is checked before the rights.
            if "wrong number" not in str(error):
                return None
        else:
            return None
    return None
