"""Frees a job of others for which it waits, and cancels those that nobody else needs.

Which these are is decided in the script that cancels them: what has started meanwhile, or is needed
by now, stays. Jobs are looked at behind those that depend on them, so that what only a cancelled
one needed is cancelled too, a page of one queue a call:

    job's queue      prune: it waits for some of them no more, and those are cancelled, at once
    another queue    prune, as a question: would it be cancelled?
    job's queue      detach: the job waits for it no more
    another queue    prune: it is cancelled, unless it has started since

Who dies in between leaves jobs for which nobody waits any more, and which run. So does one of
another queue that starts between the question and its end, which the job does not wait for.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from aiojobs_redis._redis.abroad import name_abroad
from aiojobs_redis._redis.canceller import reason_line
from aiojobs_redis._redis.inspector import Inspector
from aiojobs_redis._redis.kin import ENDED, read_above
from aiojobs_redis.tree import Place, deepest_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.tree import Relatives

__all__ = ["Pruner", "detach"]

_PAGE = 50
_MOST = 10_000


async def detach(store: Store, job: str, parent: str) -> str:
    """Let a job wait for one of its parents no more; return the letter of detach.lua.

    Args:
        store: The job's queue.
        job: Its id.
        parent: Name of the parent.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    name = parent.encode(errors="surrogateescape")
    letter: bytes = await store.ask_once("detach", job, name)
    return letter.decode()


class Pruner:
    """Prunes what a job waits for.

    Every method raises `QueueUnavailable` when Redis does not answer.

    Args:
        store: The job's queue.
        job: Its id.
        reason: Stored with what is cancelled.
    """

    def __init__(self, store: Store, job: str, reason: str | None) -> None:
        self._store, self._reason = store, reason
        self._job = Place(store.queue, job)
        self._kin: Mapping[Place, Relatives] = {}
        self._cancelled: set[Place] = set()

    async def prune(self) -> tuple[str, int]:
        """Return the letter of the state that the job had, `B` where it waited; and how many."""
        letter, _ = await self._call(self._store, self._job.id, [])
        if letter != "B":
            return letter, 0
        self._kin = await read_above(self._store, self._job.id, _MOST)
        for page in self._pages():
            store = self._store.beside(page[0].queue)
            if self._is_parent_abroad(page[0]):
                await self._prune_abroad(store, page[0])
            else:
                job = self._job.id if page[0].queue == self._job.queue else ""
                await self._cancel(store, job, page)
        return letter, len(self._cancelled)

    def _pages(self) -> Iterator[list[Place]]:
        page: list[Place] = []
        for place in deepest_first(self._kin):
            alone = self._is_parent_abroad(place)
            if page and (alone or page[0].queue != place.queue or len(page) == _PAGE):
                yield page
                page = []
            if alone:
                yield [place]
            elif place != self._job:
                page.append(place)
        if page:
            yield page

    def _is_parent_abroad(self, place: Place) -> bool:
        return place.queue != self._job.queue and place in self._kin[self._job].parents

    async def _prune_abroad(self, store: Store, place: Place) -> None:
        _, would_go = await self._call(store, "", [place], only_asks=True)
        if would_go:
            name = name_abroad(place.queue, place.id)
            if (await detach(self._store, self._job.id, name)).isupper():
                await self._cancel(store, "", [place])

    async def _cancel(self, store: Store, job: str, page: Sequence[Place]) -> None:
        _, gone = await self._call(store, job, page)
        self._cancelled.update(gone)

    async def _call(
        self, store: Store, job: str, page: Sequence[Place], *, only_asks: bool = False
    ) -> tuple[str, list[Place]]:
        words: list[str | bytes] = []
        for place, queues in zip(page, await self._without(store, page), strict=True):
            line = b"" if only_asks else reason_line(store, place.id, self._reason)
            words += (place.id, line, ",".join(sorted(queues)))
        reply: bytes = await store.ask_once("prune", job, *words)
        letter, digits = reply[:1].decode(), reply[1:].decode()
        return letter, [place for place, digit in zip(page, digits, strict=True) if digit == "1"]

    async def _without(self, store: Store, page: Sequence[Place]) -> list[set[str]]:
        """Return of each job the other queues that wait for it, and do not need it any more."""
        if not page:
            return []
        rows = await store.ask("kin", _MOST, *(place.id for place in page))
        known = [{queue.decode() for queue in queues} for _, _, queues in rows]
        # Those that were left out of the answer count as needed.
        known += [set()] * (len(page) - len(known))
        return [
            queues and queues - await self._needing(place)
            for place, queues in zip(page, known, strict=True)
        ]

    async def _needing(self, place: Place) -> set[str]:
        """Return the other queues in which a job depends on one, and has not ended."""
        left = {*self._kin[place].dependents} - self._cancelled - {self._job}
        ids: dict[str, list[str]] = defaultdict(list)
        for one in left:
            if one.queue != place.queue:
                ids[one.queue].append(one.id)
        found: set[str] = set()
        for queue, own in ids.items():
            states = await Inspector(self._store.beside(queue)).states(own)
            if any(state and state not in ENDED for state in states.values()):
                found.add(queue)
        return found
