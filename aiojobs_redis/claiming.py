"""From claims to leases: what is stored is opened and decoded; what cannot be read ends dead."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiojobs_redis._redis.claimer import Claimer, End
from aiojobs_redis._redis.keys import check_name
from aiojobs_redis._redis.per_loop import PerLoop
from aiojobs_redis.codec import decode_untyped
from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid, PayloadRejected, PayloadTooLarge
from aiojobs_redis.lease import Lease
from aiojobs_redis.spec import read_header, read_spec
from aiojobs_redis.unique import sealed_for
from aiojobs_redis.verdict import describe, sealed_body

if TYPE_CHECKING:
    from datetime import timedelta

    from aiojobs_redis._redis.claimer import Grant
    from aiojobs_redis._redis.store import Claim
    from aiojobs_redis.queue import Queue

__all__ = ["Claiming"]

_log = logging.getLogger("aiojobs_redis.claim")

_MOST = 250


class Claiming:
    """Claims jobs of one queue by hand.

    Args:
        queue: The queue.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._claimers = PerLoop(lambda: Claimer(queue.store))
        self._ending: set[asyncio.Task[bool]] = set()

    async def claim(self, count: int, lease: float | timedelta | None) -> list[Lease]:
        """Lease the next jobs; see `Queue.claim`."""
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _MOST:
            raise ConfigInvalid(
                f"n must be a whole number from 1 to {_MOST} jobs a call, got {count!r:.80}"
            )
        lease_ms = None if lease is None else to_ms("lease", lease, least=500)
        claimer = self._claimers.get()
        grant = await claimer.claim(count, lease_ms)
        leases: list[Lease] = []
        ends: list[End] = []
        try:
            for claim in grant.claims:
                read = self._read(claimer, claim, grant, lease_ms)
                if isinstance(read, Lease):
                    leases.append(read)
                else:
                    ends.append(read)
        except BaseException:
            # A codec that cannot be asked says nothing of the jobs.
            await asyncio.wait(self._send(claimer, _released(grant, grant.claims)))
            raise
        if ends:
            sent = self._send(claimer, ends)
            try:
                await asyncio.wait(sent)
            except BaseException:
                # Nobody takes the others any more.
                ended = {end.key for end in ends}
                others = [claim for claim in grant.claims if claim.id not in ended]
                _ = self._send(claimer, _released(grant, others))
                raise
        return leases

    def _send(self, claimer: Claimer, ends: list[End]) -> list[asyncio.Task[bool]]:
        """End leases, whether anybody waits for it or not."""
        sent = [asyncio.create_task(claimer.end(end), name="aiojobs-claim-end") for end in ends]
        self._ending.update(sent)
        for each in sent:
            each.add_done_callback(self._ended)
        return sent

    def _ended(self, sent: asyncio.Task[bool]) -> None:
        self._ending.discard(sent)
        if not sent.cancelled():
            # What was not answered goes out again before the next call.
            _ = sent.exception()

    def _read(
        self, claimer: Claimer, claim: Claim, grant: Grant, lease_ms: int | None
    ) -> Lease | End:
        """Return the lease of a job, or its end where what is stored is no job."""
        try:
            body = self._opened(claim)
        except (PayloadRejected, PayloadTooLarge) as error:
            return self._unreadable(claim, grant, error)
        try:
            spec = read_spec(body)
            task = self._queue.tasks.get(spec.task)
            if task is None:
                # As in a worker: what counts its jobs has the name in keys and events.
                check_name("task", spec.task)
            call: Any = decode_untyped(spec.call) if task is None else task.codec.decode(spec.call)
            return Lease(
                *(self._queue, claimer, claim, grant.nonce), spec=spec, call=call, lease_ms=lease_ms
            )
        except Exception as error:
            # Whatever is stored in its place, a job that stays would be met by every claim.
            return self._unreadable(claim, grant, error)

    def _opened(self, claim: Claim) -> bytes:
        queue = self._queue
        body = claim.blob.partition(b"\n")[2]
        if len(body) > queue.max_payload:
            raise PayloadTooLarge(
                f"the stored payload is {len(body)} bytes, this queue takes {queue.max_payload}: "
                "raise max_payload here as in the producer, then replay"
            )
        if queue.store.sealing is not None:
            header = read_header(claim.blob.partition(b"\n")[0])
            body = queue.store.sealing.open(*sealed_for(header, claim.id), body)
        return body

    def _unreadable(self, claim: Claim, grant: Grant, error: Exception) -> End:
        id = claim.id.decode(errors="replace")
        _log.warning("job %s is dead, it was not handed out: %s", id, error)
        line = describe(error, claim.failures + 1)
        sealing = self._queue.store.sealing
        if sealing is not None:
            line = sealed_body(sealing, claim.id, "d", line)
        return End(claim.id, f"{claim.fence},{grant.nonce}", "d", "", line)


def _released(grant: Grant, claims: list[Claim]) -> list[End]:
    return [End(claim.id, f"{claim.fence},{grant.nonce}", "u") for claim in claims]
