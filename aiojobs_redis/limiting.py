"""How the jobs of a queue share its workers: limits, and weights of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from aiojobs_redis._redis.keys import check_name
from aiojobs_redis.duration import from_ms, to_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.options import check_id
from aiojobs_redis.rate import check_rate
from aiojobs_redis.spec import quote_key

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.rate import RateGiven

__all__ = ["Backlog", "Limit", "Limiting", "scope_of_one"]

_HEAVIEST = 100
# What a turn of weight 1 advances by: places are numbers, of which a queue has 2^42.
_LARGEST_MULTIPLE = 1000
_MOST_AT_ONCE = 1_000_000
_EVERY_KEY = "*"
_MOST_BACKLOGS = 100_000
_BACKLOGS_A_CALL = 250
# Scopes of limits: the queue, a task, a key, and both.
_KINDS = "qtkb"


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that is in force.

    Attributes:
        task: The task that it is for, None for any.
        key: The key that it is for, ``*`` for each key by itself, None for any. A limit with both
            is for the jobs of that task and key.
        concurrency: Jobs that may run at once; None for any number.
        rate: Jobs that may start in any window of so many seconds; None for any number.
        closed_until: No job starts before; a hundred years ahead for what was paused, None for
            what is open.
    """

    task: str | None = None
    key: str | None = None
    concurrency: int | None = None
    rate: tuple[int, float] | None = None
    closed_until: datetime | None = None


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that a limit, or a pause, holds back.

    Attributes:
        task: Their task, where it is the limit of a task.
        key: Their key, where it is the limit of a key; with ``task`` of both.
        holding: Jobs that hold a slot: that run, are about to, wait for their next attempt, or
            have the slot and wait for a window or the end of a pause. 0 where the limit has no
            ``concurrency``.
        blocked: Jobs that are held back.
    """

    task: str | None = None
    key: str | None = None
    holding: int
    blocked: int


class Limiting:
    """The part of a `Queue` that says how its jobs share the workers.

    Every method raises `QueueUnavailable` when Redis does not answer.

    Attributes:
        store: The queue in Redis.
    """

    store: Store

    async def limit(
        self,
        *,
        rate: RateGiven | None = None,
        concurrency: int | None = None,
        task: str | None = None,
        key: str | None = None,
    ) -> None:
        """Limit how many jobs run at once, and how many start in a window, over all workers.

        It is in force until it is set anew, and replaces what was set before for the queue, the
        task or the key. Without ``rate`` and ``concurrency`` the limit is taken away. A job over
        its limit is ``blocked`` until there is room.

        Args:
            rate: Jobs and seconds: never more start in any window of that length, by the server's
                clock. Up to a day.
            concurrency: Jobs that may run at once. A job that failed and waits for its next
                attempt goes on counting for its task and its key, so that it keeps its order.
            task: Only for this task.
            key: Only for jobs of this key; ``*`` for each key by itself, unless it has a limit of
                its own. With ``task`` only for jobs of both.

        Raises:
            ConfigInvalid: A value is out of range.
        """
        scope = _scope(task, key)
        rule = ""
        if rate is not None or concurrency is not None:
            parts = ("", "") if rate is None else check_rate("rate", rate)
            rule = ",".join(map(str, (_concurrency(concurrency), *parts)))
        await self.store.ask("limit", scope, rule)

    async def limit_for(
        self, seconds: float | timedelta, *, task: str | None = None, key: str | None = None
    ) -> None:
        """Start no job of the queue, of a task or of a key for a while; those that run go on.

        Args:
            seconds: How long from now, by the server's clock; 0 to let them start again. It
                replaces what was asked for before.
            task: Only of this task.
            key: Only of this key; with ``task`` only jobs of both.

        Raises:
            ConfigInvalid: The time is out of range, or ``key`` is ``*``.
        """
        await self.store.ask_once("close", scope_of_one(task, key), to_ms("seconds", seconds))

    async def limits(self) -> list[Limit]:
        """Return the limits that are in force, and what is closed: paused, or for a while."""
        flat = [text.decode() for text in await self.store.ask("read_limits")]
        found = dict(zip(flat[::2], flat[1::2], strict=True))
        scopes = {scope for scope in found if scope[0] in _KINDS}
        scopes |= {field[1:] for field in found if field[0] == "c" and field[1] in _KINDS}
        return [_read(scope, found.get(scope), found.get(f"c{scope}")) for scope in sorted(scopes)]

    async def backlogs(self, limit: int = 1000) -> list[Backlog]:
        """Return the tasks and keys of which jobs are held back, and how many.

        It takes a few commands a task or key, however many jobs wait there.

        Args:
            limit: Tasks and keys at most, 1 to 100,000.

        Raises:
            ConfigInvalid: The number is out of range.
        """
        if not _is_whole(limit, _MOST_BACKLOGS):
            raise ConfigInvalid(
                f"limit must be a whole number from 1 to {_MOST_BACKLOGS}, got {limit!r:.80}"
            )
        found: list[Backlog] = []
        after = ""
        while len(found) < limit:
            most = min(_BACKLOGS_A_CALL, limit - len(found))
            flat = await self.store.ask("backlogs", after, most)
            for scope, holding, blocked in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
                after = scope.decode()
                task, key = _names(after)
                found.append(Backlog(task=task, key=key, holding=holding, blocked=blocked))
            if len(flat) < 3 * most:
                break
        return found

    async def age(self, seconds: float | timedelta | None) -> bool:
        """Let waiting jobs gain priority, so that those of a low one do not wait for ever.

        A job that has waited so long for each level by which its priority is below the highest that
        waits goes before all of that priority which came later. It holds on every worker, until it
        is changed; what has gone before others by then keeps its place.

        Args:
            seconds: How long a job waits for one level, by the server's clock; None to let none
                gain any more, as in a queue of which nothing was said.

        Returns:
            Whether that changed anything.

        Raises:
            ConfigInvalid: The time is out of range.
        """
        level = "" if seconds is None else to_ms("seconds", seconds, least=1)
        return bool(await self.store.ask_once("age", level))

    async def weigh(self, key: str, weight: int) -> None:
        """Say how many turns a key has while a key of weight 1 has one.

        It holds for jobs that are enqueued from now on, on every worker, until it is changed.

        Args:
            key: The key, as jobs have it.
            weight: 1 to 100; 1 is what every key has of which nothing is said.

        Raises:
            ConfigInvalid: The weight is out of range, or the least common multiple of all weights
                of the queue would be over 1000.
        """
        check_id("key", key)
        if not _is_whole(weight, _HEAVIEST):
            raise ConfigInvalid(
                f"weight must be a whole number from 1 to {_HEAVIEST}, got {weight!r:.80}"
            )
        multiple = await self.store.ask("weigh", quote_key(key), weight, _LARGEST_MULTIPLE)
        if multiple > _LARGEST_MULTIPLE:
            raise ConfigInvalid(
                f"weight {weight} of key {key!r} does not go with the other weights of queue "
                f"{self.store.queue}: their least common multiple would be {multiple}, the limit "
                f"is {_LARGEST_MULTIPLE}. Use weights such as 1, 2, 3, 4, 6, 12. Nothing was "
                "written."
            )


def _scope(task: str | None, key: str | None) -> str:
    if task is not None:
        check_name("task", task)
    if key is None:
        return "q" if task is None else f"t{task}"
    quoted = key if key == _EVERY_KEY else quote_key(check_id("key", key))
    return f"k{quoted}" if task is None else f"b{task}/{quoted}"


def scope_of_one(task: str | None, key: str | None) -> str:
    """Return what scripts call a task, a key or both.

    Raises:
        ConfigInvalid: A name is not allowed, or the key is ``*``.
    """
    if key == _EVERY_KEY:
        raise ConfigInvalid("one key can be closed, or none for all, got '*': give the key's name")
    return _scope(task, key)


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _concurrency(value: int | None) -> str:
    if value is None:
        return ""
    if not _is_whole(value, _MOST_AT_ONCE):
        raise ConfigInvalid(
            f"concurrency must be a whole number from 1 to {_MOST_AT_ONCE}, got {value!r:.80}. "
            "To let no job start, use queue.pause(), with the task or the key."
        )
    return str(value)


def _names(scope: str) -> tuple[str | None, str | None]:
    """Return the task and the key of a scope."""
    kind, rest = scope[0], scope[1:]
    task, _, key = rest.partition("/") if kind == "b" else (rest, "", rest)
    return task if kind in "bt" else None, unquote(key) if kind in "bk" else None


def _read(scope: str, rule: str | None, until: str | None) -> Limit:
    concurrency, count, ms = rule.split(",") if rule else ("", "", "")
    task, key = _names(scope)
    return Limit(
        task=task,
        key=key,
        concurrency=int(concurrency) if concurrency else None,
        rate=(int(count), int(ms) / 1000) if count else None,
        closed_until=from_ms(int(until)) if until else None,
    )
