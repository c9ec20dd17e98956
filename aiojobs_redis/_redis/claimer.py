"""Claims and ends jobs of one queue without a worker, from one event loop.

    idle ── claim, end ──▶ one exchange on its way ── answered ──▶ the next one, or idle
                             └─ no answer in time ─▶ its callers are told; it stays the next one

What was not answered may have been applied. So the same exchange goes out again before any other,
and its answer decides: jobs that it claimed for a caller who has gone are handed back, and an end
that was accepted is not sent twice. Ends that come while an exchange is on its way share the next
one. Nothing here is cancelled in the middle of a call; a caller that is cancelled leaves it alone.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any

from aiojobs_redis._redis.courier import Courier
from aiojobs_redis.errors import QueueUnavailable

if TYPE_CHECKING:
    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Claim, Exchange, Renewal, Store

__all__ = ["Claimer", "End", "Grant"]

_BATCH = 80
"""Ends a call: any but a plain success costs Redis as much as three of those."""
_FEW = 4
_BATCH_BYTES = 4 * 1024 * 1024


class End:
    """How one lease is to end.

    Args:
        key: The job's id in UTF-8.
        token: ``<fence>,<nonce>`` of the lease.
        code: As for exchange.lua: ``c``, ``t``, ``d``, ``z``, ``w``, ``x`` or ``r``.
        argument: Retention of the result or delay in ms; empty for the default.
        body: The result or the error.
        task: Name of the task, for the statistics.
        ms: How long the attempt took.

    Attributes:
        accepted: Whether Redis took it; None while that is not known.
        refused: Why the job is dead, though it was to wait for others; empty where it is not.
    """

    def __init__(
        self,
        key: bytes,
        token: str,
        code: str,
        argument: str = "",
        body: bytes = b"",
        *,
        task: str = "?",
        ms: int = 0,
    ) -> None:
        self.key = key
        self.token = token
        self.code = code
        self.argument = argument
        self.body = body
        self.task = task
        self.ms = ms
        self.accepted: bool | None = None
        self.refused = ""


class Grant:
    """What a claim asks for, and got.

    Args:
        limit: Jobs at most.
        lease_ms: Length of their leases; None for that of each job.

    Attributes:
        claims: The jobs.
        nonce: Second half of their tokens.
        waited: Whether the caller is still there to take them.
    """

    def __init__(self, limit: int, lease_ms: int | None) -> None:
        self.limit = limit
        self.lease_ms = lease_ms
        self.claims: list[Claim] = []
        self.nonce = ""
        self.waited = True


class _Operation:
    """One exchange: some ends, and one claim at most."""

    def __init__(self, ends: list[End], grant: Grant | None) -> None:
        self.ends = ends
        self.grant = grant
        self.nonce = secrets.token_hex(16)
        self.done = _future()

    def words(self, incarnation: str, counter: int, worker: str) -> list[Any]:
        """Return what exchange.lua takes."""
        tasks: dict[str, int] = {}
        flat: list[Any] = []
        for end in self.ends:
            number = tasks.setdefault(end.task, len(tasks) + 1)
            plain = end.code == "c" and not end.argument
            what = str(number) if plain else f"{end.code} {end.argument} {number}"
            flat += (end.key, end.token, what, str(end.ms), end.body)
        limit, suspect, adopted = 0, "0", []
        if self.grant is not None:
            # Whoever claims knows any task, also one for which workers have parked its jobs.
            limit, suspect, adopted = self.grant.limit, "1", ["*"]
            if self.grant.lease_ms is not None:
                suspect += f" {self.grant.lease_ms}"
        head = (incarnation, counter, self.nonce, worker, limit, suspect, 0)
        return [*head, len(self.ends), len(tasks), *tasks, *flat, *adopted]


def _future() -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    # Whoever waits for it may have gone.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


class Claimer:
    """Claims and ends jobs.

    Args:
        store: The queue.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._incarnation = secrets.token_hex(16)
        host = re.sub(r"[^A-Za-z0-9_.-]", "-", platform.node())[:64] or "host"
        self._courier = Courier(store, self._incarnation)
        self._name = f"claim-{host}-{os.getpid()}-{self._incarnation[:8]}"
        self._counter = 0
        self._words: list[Any] = []
        self._waiting: deque[_Operation] = deque()
        self._current: _Operation | None = None
        self._sending: asyncio.Task[None] | None = None

    async def claim(self, limit: int, lease_ms: int | None) -> Grant:
        """Lease up to so many of the next jobs.

        Args:
            limit: Jobs, 1 to 250.
            lease_ms: Length of their leases; None for that of each job.

        Raises:
            QueueUnavailable: Redis did not answer; what it may have leased is handed back.
        """
        grant = Grant(limit, lease_ms)
        operation = _Operation([], grant)
        self._waiting.append(operation)
        try:
            await self._answered(operation)
        except BaseException:
            grant.waited = False
            self._hand_back(grant)
            raise
        return grant

    async def end(self, end: End) -> bool:
        """End a lease; whether Redis took it, and the lease was the caller's.

        Raises:
            QueueUnavailable: Redis did not answer; ask again with the same object.
        """
        if end.accepted is None:
            await self._answered(self._operation_of(end))
            # A program that ends now takes with it what it has not told yet.
            await self._courier.wait()
        return bool(end.accepted)

    async def extend(self, key: bytes, token: str, ms: int) -> Renewal:
        """Prolong one lease.

        Raises:
            QueueUnavailable: Redis did not answer.
        """

        async def renew(link: Link, _: str, *pair: str | bytes) -> Renewal:
            return await self._store.renew(link, self._incarnation, 0, pair)

        renewal: Renewal = await self._store.ask("renew", key, f"{token} {ms}", run=renew)
        return renewal

    def _operation_of(self, end: End) -> _Operation:
        """Return the exchange that carries an end: one that waits to be sent, or a new one."""
        for operation in (self._current, *self._waiting):
            if operation is not None and end in operation.ends:
                return operation
        if self._waiting:
            last = self._waiting[-1]
            size = sum(len(each.body) for each in last.ends) + len(end.body)
            # To wait for jobs costs as much more as they are.
            most = _FEW if end.code == "w" else _BATCH
            if len(last.ends) < most and size <= _BATCH_BYTES:
                last.ends.append(end)
                return last
        operation = _Operation([end], None)
        self._waiting.append(operation)
        return operation

    async def _answered(self, operation: _Operation) -> None:
        if operation.done.done():
            # It was not answered in time, and goes out again.
            operation.done = _future()
        self._start()
        await asyncio.shield(operation.done)

    def _start(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(
                self._send_all(), name="aiojobs-claims"
            )

    async def _send_all(self) -> None:
        try:
            while self._current is not None or self._waiting:
                await self._send_next()
        except BaseException as error:
            for operation in (self._current, *self._waiting):
                if operation is not None:
                    _tell(operation, error)
            for operation in self._waiting:
                operation.grant = None
            # Ends go out before the next call's: they may be those of jobs to be handed back.
            self._waiting = deque(operation for operation in self._waiting if operation.ends)
            if not isinstance(error, QueueUnavailable):
                raise

    async def _send_next(self) -> None:
        operation = self._current
        if operation is None:
            operation = self._waiting.popleft()
            if operation.grant is not None and not operation.grant.waited:
                operation.grant = None
                if not operation.ends:
                    return
            self._current = operation
            self._counter += 1
            self._words = operation.words(self._incarnation, self._counter, self._name)
        try:
            reply = await self._store.ask("exchange", *self._words, run=self._exchange)
        except QueueUnavailable:
            raise
        except Exception as error:
            # Refused before anything was written.
            self._current = None
            _tell(operation, error)
            return
        self._current = None
        self._settle(operation, reply)

    async def _exchange(self, link: Link, _: str, *words: Any) -> Exchange:
        return await self._store.exchange(link, words)

    def _settle(self, operation: _Operation, reply: Exchange) -> None:
        lost = set(reply.lost)
        for end in operation.ends:
            end.accepted = reply.exists and end.key not in lost
            if reply.told:
                end.refused = reply.refused.get(end.key, "")
        grant = operation.grant
        if grant is not None:
            grant.claims, grant.nonce = reply.claims, operation.nonce
            if not grant.waited:
                self._hand_back(grant)
        if reply.to_send:
            self._courier.send()
        if not operation.done.done():
            operation.done.set_result(None)

    def _hand_back(self, grant: Grant) -> None:
        for claim in grant.claims:
            end = End(claim.id, f"{claim.fence},{grant.nonce}", "u")
            _ = self._operation_of(end)
        grant.claims = []
        if self._waiting:
            self._start()


def _tell(operation: _Operation, error: BaseException) -> None:
    if operation.done.done():
        return
    if isinstance(error, Exception):
        operation.done.set_exception(error)
    else:
        operation.done.cancel()
