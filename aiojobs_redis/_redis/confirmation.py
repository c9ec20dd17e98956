"""Enqueues that return once copies of them are confirmed.

``WAIT`` and ``WAITAOF`` do not block inside a script, and speak of what their own connection wrote
last. So the question goes over the very connection that carried the script, and that script must
have written: on another connection, or after a script that only looked, Redis answers at once that
all replicas have everything. For that reason a resent enqueue writes its record once more.

Whether a server can be trusted to confirm that something is on disk is looked at for each
connection: a connection that breaks may come back to another server.
"""

from __future__ import annotations

import asyncio
import logging
import math
import weakref
from typing import TYPE_CHECKING, Any, Final

from redis import exceptions as redis_errors

from aiojobs_redis._redis.answer import read_answer
from aiojobs_redis._redis.faults import Fault, classify, translate
from aiojobs_redis._redis.probe import read_section, read_server, read_setting
from aiojobs_redis.durability import Fsynced
from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import AiojobsError, NotReplicated, RedisIncompatible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.probe import ServerInfo
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.durability import Durability

__all__ = ["Confirmation", "Unconfirmed"]

_log = logging.getLogger("aiojobs_redis")

_WAITAOF_SINCE: Final = (7, 2)
_MARGIN: Final = 5.0
_LOOK_AGAIN: Final = 10.0
"""Seconds for which the settings of a connection's server are taken to be what they were."""
_UNTOUCHED: Final = " Nothing was written."
# Redis before 7.4.3 could answer WAITAOF too early, as its release notes say. Valkey 8.1.8 and
# 9.1.2 do: with everysec they answer before any fdatasync, as strace shows, where Redis 8.2 waits
# for one. With "always" the fdatasync comes before every reply, but for what is written while the
# file is rewritten with no-appendfsync-on-rewrite.
_WAITS_SINCE: Final = (7, 4, 3)
_WANTED: Final = {"appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
_CANNOT_TELL: Final = (
    "Version %s at %s may confirm an enqueue before it is on disk, unless 'appendfsync' is "
    "'always' and 'no-appendfsync-on-rewrite' is 'no'; this user may not look it up (+config|get)."
)


class Unconfirmed(Exception):
    """Jobs were added, and too few copies of them were confirmed.

    Attributes:
        flags: What the script answered, a text a job.
        error: What the caller is told.
    """

    def __init__(self, flags: Sequence[str], error: NotReplicated) -> None:
        super().__init__(flags, error)
        self.flags = flags
        self.error = error

    def part(self, start: int, end: int) -> Unconfirmed:
        """Return what one of several callers is told, with an error object of its own."""
        error = self.error
        own = _shortfall(str(error), error.timeout, error.replicas, fsynced=error.fsynced)
        own.__cause__ = error.__cause__
        return Unconfirmed(self.flags[start:end], own)

    def told(self, before: Sequence[Any], own: Sequence[Any]) -> NotReplicated:
        """Return the error with the handles of confirmed jobs and of those it is about."""
        self.error.jobs = [*before, *own]
        self.error.unconfirmed = list(own)
        return self.error


class Confirmation:
    """Runs the enqueue scripts of one queue, and has them confirmed.

    Args:
        store: The queue.
        durability: What is asked for.
    """

    def __init__(self, store: Store, durability: Durability) -> None:
        self._store = store
        self._durability = durability
        self._ms = to_ms("timeout", durability.timeout)
        self._about_disks = isinstance(durability, Fsynced)
        self._local = isinstance(durability, Fsynced) and durability.local
        if isinstance(durability, Fsynced):
            numbers = (int(durability.local), durability.replicas, self._ms)
            self._command: tuple[str | int, ...] = ("WAITAOF", *numbers)
        else:
            self._command = ("WAIT", durability.replicas, self._ms)
        # Until when each connection's server is trusted, by the time of the loop.
        self._trusted: weakref.WeakKeyDictionary[object, float] = weakref.WeakKeyDictionary()
        self._warned = False

    async def ask(self, name: str, *args: Any) -> Any:
        """Run an enqueue script as `Store.ask` does, until what it added is confirmed.

        Script and confirmation are repeated as one, so that jobs which a failover forgot in
        between are added again.

        Raises:
            Unconfirmed: The jobs were added, the confirmation failed.
            RedisIncompatible: The server cannot confirm that; nothing was written.
            AiojobsError: As `Store.ask` raises it.
        """
        attempt = _Attempt()

        async def run(link: Link, name: str, *args: Any) -> Any:
            trusted = await self._trust(link) if self._about_disks else None
            reply = await self._store.run(link, name, *args)
            if reply[0] == b"OK":
                flags = read_answer(reply[1:])
                attempt.flags = flags
                if trusted is not None and link.connection is not trusted:
                    raise _replaced(link)
                await self._confirm(link, flags)
            return reply

        try:
            return await self._store.ask(name, *args, run=run)
        except AiojobsError as error:
            # Whatever a repetition met with: the first attempt had added them.
            if attempt.flags is None:
                raise
            reason = str(error).removesuffix(_UNTOUCHED)
            raise Unconfirmed(attempt.flags, self._told(0, 0, reason)) from error

    async def _confirm(self, link: Link, flags: Sequence[str]) -> None:
        try:
            reply = await link.follow(*self._command, timeout=self._ms / 1000 + _MARGIN)
        except redis_errors.ResponseError as error:
            # A server that has just become a replica says so in words of its own.
            if classify(error) is Fault.RETRY or "with replica instances" in str(error):
                raise redis_errors.ReadOnlyError(str(error)) from error
            reason = str(translate(error, link.server))
            raise Unconfirmed(flags, self._told(0, 0, reason)) from error
        local, replicas = reply if isinstance(reply, list) else (0, reply)
        if replicas < self._durability.replicas or local < self._local:
            raise Unconfirmed(flags, self._told(local, replicas, ""))

    async def _trust(self, link: Link) -> object:
        """Return the connection of a link, whose server can confirm what is on disk."""
        now = asyncio.get_running_loop().time()
        connection = link.connection
        if connection is not None and self._trusted.get(connection, -math.inf) > now:
            return connection
        if connection is None:
            await read_section(link, "server")
            connection = link.connection
        about = await read_server(link)
        can_tell = await _check_fsync(link, about, local=self._local)
        if connection is None or link.connection is not connection:
            raise _replaced(link)
        if not can_tell and not self._warned:
            self._warned = True
            _log.warning(_CANNOT_TELL, about.version, link.server)
        self._trusted[connection] = now + _LOOK_AGAIN
        return connection

    def _told(self, local: int, replicas: int, reason: str) -> NotReplicated:
        wanted, seconds = self._durability, self._ms / 1000
        parts = [f"{replicas} of {wanted.replicas} replicas confirmed"] * bool(wanted.replicas)
        parts += ["the append-only file of the server did not"] * (self._local > local)
        return _shortfall(
            f"jobs were added to queue {self._store.queue} at {self._store.server.label}, but "
            f"within {seconds:g} s {' and '.join(parts)}. {reason + ' ' if reason else ''}"
            "They will run, unless Redis loses them first. To ask again, enqueue again with the "
            "same ids; see 'connected_slaves' in INFO replication.",
            seconds,
            replicas,
            fsynced=bool(local),
        )


async def _check_fsync(link: Link, about: ServerInfo, *, local: bool) -> bool:
    """See that a server confirms nothing too early; whether it let itself be looked at."""
    version = about.numbers
    if version and version < _WAITAOF_SINCE:
        raise RedisIncompatible(
            f"Fsynced needs WAITAOF, which Redis {about.version} at {link.server} lacks: upgrade "
            "to Redis 7.2 or newer, or use Replicated, or set 'appendfsync always'." + _UNTOUCHED
        )
    persistence = await read_section(link, "persistence")
    if local and persistence.get("aof_enabled") == "0":
        raise RedisIncompatible(
            f"Fsynced needs the append-only file, which is off at {link.server}: CONFIG SET "
            "appendonly yes, and the same in the server's configuration." + _UNTOUCHED
        )
    if not about.is_valkey and version and version >= _WAITS_SINCE:
        return True
    found = {name: await read_setting(link, name) for name in _WANTED}
    for name, value in found.items():
        if value not in {None, _WANTED[name]}:
            raise RedisIncompatible(
                f"Fsynced cannot be trusted with '{name} {value}' on version {about.version} at "
                f"{link.server}, which confirms before it has written to disk: CONFIG SET {name} "
                f"{_WANTED[name]}, or use Replicated." + _UNTOUCHED
            )
    return None not in found.values()


def _replaced(link: Link) -> redis_errors.ConnectionError:
    return redis_errors.ConnectionError(f"the connection to {link.server} was replaced meanwhile")


class _Attempt:
    """What one call has learnt: the answer of the script, once there was one."""

    flags: Sequence[str] | None = None


def _shortfall(text: str, timeout: float, replicas: int, *, fsynced: bool) -> NotReplicated:
    error = NotReplicated(text)
    error.timeout, error.replicas, error.fsynced = timeout, replicas, fsynced
    return error
