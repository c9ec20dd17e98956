"""The write side of one queue: a typed method for each transition, each one script call."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from aiojobs_redis._redis.faults import FAULTS, Fault, classify, translate
from aiojobs_redis._redis.keys import queue_keys
from aiojobs_redis._redis.probe import check_server
from aiojobs_redis._redis.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from aiojobs_redis._redis.connection import Server
    from aiojobs_redis._redis.link import Link, SyncLink
    from aiojobs_redis._redis.scripts import Script
    from aiojobs_redis.sealing import Sealing

    Run = Callable[..., Coroutine[Any, Any, Any]]

__all__ = ["Beat", "Claim", "Exchange", "Renewal", "Store"]

PATIENCE = 5.0
"""Seconds that a producer's call may take, resends included."""

_WHOLE = 60.0
"""Seconds for which a queue that was found to use limits, flows, turns of keys or followers is
taken to use them."""

_NEVER = -1


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A job as an exchange hands it out.

    Attributes:
        id: The job's id, as UTF-8.
        blob: Header, newline, spec.
        fence: Fencing token; with the nonce of the exchange it is the token of the lease.
        counts: ``generation,failures,lost``, and ``,1`` behind where an attempt before has left
            a state or steps; empty for a job that never was but queued.
    """

    id: bytes
    blob: bytes
    fence: int
    counts: bytes = b""

    @property
    def generation(self) -> int:
        """1, and one more with each replay."""
        return int(self.counts.split(b",")[0]) if self.counts else 1

    @property
    def failures(self) -> int:
        """Attempts that have failed in this generation."""
        return int(self.counts.split(b",")[1]) if self.counts else 0

    @property
    def carries(self) -> bool:
        """Whether an attempt before has left a state or steps."""
        return self.counts.count(b",") > 2

    @property
    def lost(self) -> int:
        """Leases that ran out in this generation."""
        return int(self.counts.split(b",")[2]) if self.counts else 0


class Exchange(NamedTuple):
    """What an exchange answered.

    Attributes:
        exists: Whether the queue exists; completions for one that does not are lost.
        now: Server's time, epoch ms.
        due_at: When the next job falls due, epoch ms, or None.
        tick_at: When the next schedule ticks, epoch ms, or None.
        lost: Ids whose completion was not accepted.
        claims: The claimed jobs.
        early: Whether it came before the exchange that it follows, and wrote nothing.
        to_send: Whether other queues are to be told of jobs of this one.
        told: Ids of jobs that nobody reports, found recovered, dead and cancelled: none, or three
            lists; a fourth has those whose completion was taken, and which are cancelled all the
            same since somebody had asked for that. A fifth has in turn ids and why, of those that
            are dead since they may not wait for the jobs that they named.
    """

    exists: bool
    now: int
    due_at: int | None
    tick_at: int | None
    lost: list[bytes]
    claims: list[Claim]
    early: bool = False
    to_send: bool = False
    told: Sequence[Sequence[bytes]] = ()

    @property
    def refused(self) -> dict[bytes, str]:
        """Jobs that are dead since they may not wait for what they named, and why."""
        flat = self.told[4] if len(self.told) > 4 else ()
        texts = (text.decode(errors="replace") for text in flat[1::2])
        return dict(zip(flat[::2], texts, strict=True))


class Beat(NamedTuple):
    """What a beat answered; the times as for `Exchange`.

    Attributes:
        leads: Whether the caller leads now.
        claimable: Whether a claim would find a job.
        to_send: Whether other queues are to be told of jobs of this one.
        to_ask: Whether jobs wait for jobs of other queues.
        parked: Names of tasks for which jobs are parked, 20 at most.
        word: What the worker is to obey as a letter of ask_worker.lua, then what tells it from
            others; empty for nothing.
        told: As for `Exchange`.
    """

    exists: bool
    now: int
    leads: bool
    due_at: int | None
    tick_at: int | None
    claimable: bool
    to_send: bool
    to_ask: bool
    parked: list[str]
    word: str = ""
    told: Sequence[Sequence[bytes]] = ()


class Renewal(NamedTuple):
    """What a renewal answered.

    Attributes:
        now: Server's time, epoch ms.
        confirmed: Counter of the last unread exchange that was found and whose claims were renewed,
            with those of the unread one before it; 0 for none.
        lost: Ids whose lease is not the caller's any more.
        cancel: Jobs that somebody asked to cancel: the error with the reason, by id.
    """

    now: int
    confirmed: int
    lost: list[bytes]
    cancel: dict[bytes, bytes]


def _time(ms: int) -> int | None:
    return None if ms == _NEVER else ms


class _Heads(dict[str, tuple[bytes, ...]]):
    """By script the part of its calls that is the same every time, made before the first."""

    def __init__(self, store: Store) -> None:
        self._store = weakref.proxy(store)

    def __missing__(self, name: str) -> tuple[bytes, ...]:
        store = self._store
        head: tuple[bytes, ...] = store.scripts[name].head(store.keys, plain=store.server.in_memory)
        self[name] = head
        return head


class Store:
    """One queue in one Redis.

    Args:
        server: The Redis.
        namespace: First part of every key.
        queue: The queue's name.
        sealing: Seals and opens what it holds of users; None where that is kept as it is.

    Attributes:
        scripts: What its calls go through, by name; a recorder of its history replaces them.
    """

    def __init__(
        self, server: Server, namespace: str, queue: str, sealing: Sealing | None = None
    ) -> None:
        self.server: Server = server
        self.namespace: str = namespace
        self.queue: str = queue
        self.keys: dict[str, bytes] = queue_keys(namespace, queue)
        self.sealing: Sealing | None = sealing
        self.scripts: Mapping[str, Script] = SCRIPTS
        self._fit = False
        self._whole_until = 0.0
        self._heads = _Heads(self)
        self._beside: dict[str, Store] = {}
        server.stores[namespace, queue] = self

    def place(self, server: Server) -> tuple[Server, bool]:
        """Go on with another Redis, and return what `return_to` takes."""
        before = self.server, self._fit
        self.return_to((server, False))
        return before

    def return_to(self, place: tuple[Server, bool]) -> None:
        """Go on with the Redis of before."""
        self.server, self._fit = place
        self._heads.clear()
        self._beside.clear()
        self.server.stores[self.namespace, self.queue] = self

    def cancel_channel(self, worker: str) -> bytes:
        """Return where a worker hears which of its running jobs are to be cancelled."""
        return f"{self.namespace}:{{{self.queue}}}:cancel:{worker}".encode()

    def beside(self, queue: str) -> Store:
        """Return another queue of the same namespace on the same server.

        It is the one that this process has made of that name last, or else one whose values are
        sealed by the codec of this one.
        """
        if queue == self.queue:
            return self
        known: Store | None = self.server.stores.get((self.namespace, queue))
        if known is None:
            sealing = None if self.sealing is None else self.sealing.beside(queue)
            known = self._beside[queue] = Store(self.server, self.namespace, queue, sealing)
        return known

    def run(self, link: Link, name: str, *args: Any) -> Coroutine[Any, Any, Any]:
        """Run a script over a link of the caller's.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        return self.scripts[name].call(link, self._heads[name], *args)

    async def ask(
        self,
        name: str,
        *args: Any,
        run: Run | None = None,
        patience: float = PATIENCE,
    ) -> Any:
        """Run a script over a shared link, and again while the fault is one that passes.

        Args:
            name: The script.
            args: Its arguments.
            run: What runs it instead of `run`, over a link.
            patience: Seconds within which a run may begin; the last one ends when its link says so.

        Raises:
            QueueUnavailable: Redis did not answer in time.
            AiojobsError: As `faults.translate` maps the error.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        pause = 0.02
        while True:
            pool = self.server.pool()
            link = await pool.take()
            try:
                if not self._fit:
                    await self._check(link)
                return await (run or self.run)(link, name, *args)
            except FAULTS as error:
                late = loop.time() + pause > deadline
                if late or classify(error) is not Fault.RETRY:
                    keys = f"{self.namespace}:{{{self.queue}}}:"
                    raise translate(error, self.server.label, keys) from error
            finally:
                pool.put(link)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause = min(pause * 2, 1.0)

    async def ask_once(self, name: str, *args: Any) -> Any:
        """Run a script that is answered as the first time where it is sent again.

        Such a script has a number for each call as its first argument, which this adds.

        Args:
            name: The script.
            args: Its other arguments.

        Raises:
            QueueUnavailable: Redis did not answer within `PATIENCE`.
            AiojobsError: As `faults.translate` maps the error.
        """
        return await self.ask(name, secrets.token_hex(16), *args)

    async def check(self) -> None:
        """See that the server can be reached and is fit.

        Raises:
            QueueUnavailable: Redis did not answer.
            RedisIncompatible: It is too old.
        """
        try:
            async with self.server.borrow() as link:
                if not self._fit:
                    await self._check(link)
        except FAULTS as error:
            raise translate(error, self.server.label) from error

    async def _check(self, link: Link) -> None:
        await check_server(link)
        self._fit = True

    async def exchange(self, link: Link, args: Sequence[Any]) -> Exchange:
        """Send completions, take claims; ``args`` as exchange.lua lists them.

        A queue that has no limits, flows, turns of keys or followers takes exchange_plain.lua,
        which writes nothing where it has: the same words then go to exchange.lua, and those of the
        next `_WHOLE` seconds with them.

        Args:
            link: The connection.
            args: The arguments.

        Raises:
            redis.exceptions.RedisError: As it was raised.
            RuntimeError: The server has seen a later exchange of this incarnation.
        """
        reply: Any = None
        if time.monotonic() >= self._whole_until:
            reply = await self.run(link, "exchange_plain", *args)
            if reply[0] == b"WHOLE":
                self._whole_until = time.monotonic() + _WHOLE
                reply = None
        if reply is None:
            reply = await self.run(link, "exchange", *args)
        status, now, due_at, tick_at, lost, flat, *told = reply
        if status == b"STALE":
            raise RuntimeError("an exchange was sent after a later one of the same worker")
        claims = list(map(Claim, flat[::4], flat[1::4], flat[2::4], flat[3::4]))
        return Exchange(
            status != b"NONE",
            now,
            _time(due_at),
            _time(tick_at),
            lost,
            claims,
            early=status == b"EARLY",
            to_send=status == b"SEND",
            told=told[0] if told else (),
        )

    async def beat(
        self,
        link: Link,
        incarnation: str,
        worker: str,
        info: bytes,
        lead_ms: int,
        after: str,
        obeyed: str = "",
        *,
        first: bool = False,
    ) -> Beat:
        """Say that a worker is alive, and learn whether it leads.

        Args:
            link: The connection.
            incarnation: The lane's.
            worker: The worker's name.
            info: What the registry shows, as JSON that begins with the state.
            lead_ms: Milliseconds for which it would lead; 0 not to lead.
            after: Name of a parked task after which to go on, or empty.
            obeyed: The last word that it has obeyed, or empty.
            first: Whether no beat of it was answered yet: then the queue exists from now on.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        words = (incarnation, worker, info, lead_ms, after, obeyed, int(first))
        status, now, leads, due_at, tick_at, flags, parked, word, *told = await self.run(
            link, "beat", *words
        )
        names = [name.decode() for name in parked]
        return Beat(
            status == b"OK",
            now,
            bool(leads),
            _time(due_at),
            _time(tick_at),
            bool(flags & 1),
            bool(flags & 2),
            bool(flags & 4),
            names,
            word.decode(),
            told[0] if told else (),
        )

    async def leave(self, link: Link, incarnation: str, worker: str) -> None:
        """Take a worker that stops off the books.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        await self.run(link, "leave", incarnation, worker)

    async def renew(
        self, link: Link, incarnation: str, unread: int, leases: Sequence[Any]
    ) -> Renewal:
        """Renew leases from the event loop; see `renew_sync`."""
        args = (incarnation, unread, *leases)
        now, confirmed, lost, cancel = await self.run(link, "renew", *args)
        return Renewal(now, confirmed, lost, dict(zip(cancel[::2], cancel[1::2], strict=True)))

    def renew_sync(
        self, link: SyncLink, incarnation: str, unread: int, leases: Sequence[Any]
    ) -> Renewal:
        """Renew leases from a thread.

        Args:
            link: The thread's own link.
            incarnation: The worker's.
            unread: Counter of the first exchange whose reply is not read yet, 0 for none.
            leases: Flat: id, ``<fence>,<nonce> <lease ms>``.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        name = "renew"
        reply = self.scripts[name].call_sync(link, self._heads[name], incarnation, unread, *leases)
        now, confirmed, lost, cancel = reply
        return Renewal(now, confirmed, lost, dict(zip(cancel[::2], cancel[1::2], strict=True)))
