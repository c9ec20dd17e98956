"""What an operator asks of a worker: to be quiet, to go on, to stop.

    asked ── kept in Redis ──▶ read by a beat ──▶ obeyed ── named by the next beat ──▶ forgotten
      └── message: beat at once ──▲

A word is kept until a beat of the worker names it as obeyed, and each beat until then reads it: a
message that is lost costs a second, a reply that is lost another. There is one word a worker, so
the last one counts.

Races that it closes:
- A word between a beat and the next: what that one names as obeyed is another word, and this stays.
- A message that is read late: it says no more than that there is something to be read.
- A word that is sent again since its answer was lost: it is answered as the first time, and not
  kept again, also where the worker has stopped meanwhile.
- A worker that ends, or is killed: its word goes with its entry in the registry, and there is never
  one without an entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis.errors import ConfigInvalid, WorkerNotFound

if TYPE_CHECKING:
    from aiojobs_redis._redis.store import Store

__all__ = ["Commanding"]


class Commanding:
    """The part of a `Queue` that asks something of its workers.

    Every method raises `QueueUnavailable` when Redis does not answer, and `WorkerNotFound` where no
    worker of that id was seen in the last minute. It returns once Redis has the word, which the
    worker obeys a few milliseconds later, or within a second of its next beat; `Queue.workers` then
    shows its state. A word is for the whole worker, also where that has other queues too.

    Attributes:
        store: The queue in Redis.
    """

    store: Store

    async def quiet_worker(self, id: str) -> None:
        """Let a worker claim no more jobs and go on with those that it has, as TSTP does.

        It lasts until `resume_worker`, or the end of the worker.

        Args:
            id: As `WorkerInfo.id`.
        """
        await self._ask_worker("q", id)

    async def resume_worker(self, id: str) -> None:
        """Let a worker that is quiet claim jobs again, as CONT does.

        Args:
            id: As `WorkerInfo.id`.
        """
        await self._ask_worker("r", id)

    async def stop_worker(self, id: str) -> None:
        """Let a worker end as TERM does: running jobs have its grace, then they are handed back.

        One process of ``aiojobs-redis worker --processes`` is not started again.

        Args:
            id: As `WorkerInfo.id`.
        """
        await self._ask_worker("s", id)

    async def _ask_worker(self, letter: str, id: str) -> None:
        if not isinstance(id, str) or not id:
            raise ConfigInvalid(f"id must be that of a worker, got {id!r:.80}")
        name = id.encode(errors="surrogateescape")
        if not await self.store.ask_once("ask_worker", name, letter):
            raise WorkerNotFound(
                f"queue {self.store.queue} has no worker {id!r:.300}: none of that id was seen in "
                "the last minute. See 'aiojobs-redis workers', or Queue.workers()."
            )
