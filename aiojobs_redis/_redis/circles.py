"""Finds jobs that wait for each other over two or more queues, and ends that.

No new job can depend on one that is not there, so jobs wait in a circle only where one of them
waits for a job that is gone, whose id another one has by now, or has named one that waits for it.
Within one queue that is refused (`circle.lua`), but no script sees two queues. So the leader looks
for circles among what jobs have waited for longer than a minute, and has the one that waits for the
other job of an id told what is true: the job that it meant is gone.

    once a minute   walk from what is waited for on to what that waits for, in whichever queue it is
    seconds later   read each wait of a circle once more; where all are as they were, break one

The walk goes from each job to one of those for which it waits, next time maybe to another one. So
it costs one look a job, and misses no circle for good: one behind a job that waits for others too
may be passed by, but these end, and once they have all ways lead to a circle.

Scripts of several queues do not read at one moment, and meanwhile jobs end, go and come again. Why
a circle is one all the same:
- A wait is read together with the job's generation, its last start and the time when it was
  enqueued. Between two starts a job begins to wait for all its parents at once, those that it has
  named while it ran included, and once it was told of one it does not wait for that again. So a
  wait that is read twice alike was there all the time in between.
- Each is read for the second time after all were read for the first time. So there was a moment at
  which all were there, and from then on no job of the circle can go on but by what comes from
  outside: a caller, another parent that fails, a late word of the job that is gone.
- If any of these comes before the wait is broken, but has not reached the job that waits, that job
  is told what it was to be told from the start: its parent was removed.
- Who waits for a gate waits for none here: the rest of its flow may not have been written yet.

The wait that is broken is the one whose parent is younger than the job that waits, by most where
there are several: the parts of a flow come one after the other, milliseconds apart, and the clocks
of two servers may differ. Whoever else finds the circle chooses the same one. Others that wait for
that parent, and may mean it, go on waiting, and hear of its end: it can have one now.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis._redis.abroad import split_name
from aiojobs_redis.errors import AiojobsError
from aiojobs_redis.tree import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiojobs_redis._redis.abroad import Found
    from aiojobs_redis._redis.store import Store

__all__ = ["Circles"]

_EVERY, _PATIENCE_MS = 60.0, 60_000
_PAGE = 100
_LOOKS = 1_000
"""Dependencies that a round looks at; a call may go over it."""
_KEPT = 10_000
"""Jobs that are kept in mind: a circle of more is not seen."""


class _Wait(NamedTuple):
    """A job that waits for another one.

    Attributes:
        child: The job.
        incarnation: Its generation and when it was enqueued, as `waits.lua` says it.
        name: What its queue calls the other one.
        parent: The other one.
    """

    child: Place
    incarnation: bytes
    name: bytes
    parent: Place

    @property
    def enqueued(self) -> int:
        return int(self.incarnation.partition(b",")[2] or b"0", 36)


class Circles:
    """What the leader of a queue knows of who waits for whom."""

    def __init__(self) -> None:
        self._next = 0.0
        self._suspected: list[tuple[int, list[_Wait]]] = []
        self._begin()

    def _begin(self) -> None:
        self._turn = random.getrandbits(31)
        self._after: bytes | None = b""
        self._heads: dict[Place, None] = {}
        self._met: dict[Place, _Wait | None] = {}

    async def look(self, store: Store, now: float, found: Found) -> None:
        """Break the circles that were found by the call before, or look for others once a minute.

        Args:
            store: The queue.
            now: Seconds, by a clock of the caller's.
            found: Told what came of it, as in `ask_again`.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        while self._suspected:
            turn, circle = self._suspected.pop()
            again = await _read_all(store, turn, [wait.child for wait in circle])
            if all(again.get(wait.child) == wait for wait in circle):
                await _break(store, circle, found)
        if now >= self._next:
            self._next = now + _EVERY
            await self._walk(store)

    async def _walk(self, store: Store) -> None:
        left, failed = _LOOKS, None
        while left > 0 and (self._heads or self._after is not None):
            if not self._heads:
                left -= await self._take_page(store)
                continue
            page = _of_one_queue(self._heads)
            try:
                looks, waits = await _read(store, self._turn, page)
            except AiojobsError as error:
                # Those of other queues go on.
                failed, looks, waits = error, len(page), dict.fromkeys(page)
            left -= looks
            self._add(waits)
        self._find_circles()
        if len(self._met) > _KEPT:
            self._met.clear()
        if not self._heads and self._after is None:
            self._begin()
        if failed is not None:
            raise failed

    async def _take_page(self, store: Store) -> int:
        flat = await store.ask("asking", self._after or b"")
        for name, waited in zip(flat[::2], flat[1::2], strict=True):
            place = _place(store, name)
            if int(waited) >= _PATIENCE_MS and place not in self._met:
                self._heads[place] = None
        self._after = flat[-2] if len(flat) == 2 * _PAGE else None
        return max(1, len(flat) // 2)

    def _add(self, waits: dict[Place, _Wait | None]) -> None:
        self._met |= waits
        for place in waits:
            self._heads.pop(place, None)
        for wait in waits.values():
            if wait is not None and wait.parent not in self._met:
                self._heads[wait.parent] = None

    def _find_circles(self) -> None:
        done: set[Place] = set()
        for place in self._met:
            way: dict[Place, _Wait] = {}
            while place not in done and (wait := self._met.get(place)) is not None:
                done.add(place)
                way[place] = wait
                place = wait.parent
            if place in way:
                ways = list(way.values())
                self._suspected.append((self._turn, ways[list(way).index(place) :]))


def _of_one_queue(places: Iterable[Place]) -> list[Place]:
    queue = next(iter(places)).queue
    return [place for place in places if place.queue == queue][:_PAGE]


async def _read(
    store: Store, turn: int, page: Sequence[Place]
) -> tuple[int, dict[Place, _Wait | None]]:
    """Return how many looks it took, and for whom some jobs of a queue wait, and those as well."""
    own = store.beside(page[0].queue)
    looks, *flat = await own.ask("waits", turn, *(_encoded(place) for place in page))
    waits: dict[Place, _Wait | None] = {}
    for id, incarnation, name in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        child = _place(own, id)
        waits[child] = _Wait(child, incarnation, name, _place(own, name)) if name else None
    return looks, waits


async def _read_all(store: Store, turn: int, places: Sequence[Place]) -> dict[Place, _Wait | None]:
    found: dict[Place, _Wait | None] = {}
    left = dict.fromkeys(places)
    while left:
        _, waits = await _read(store, turn, _of_one_queue(left))
        found |= waits
        for place in waits:
            left.pop(place, None)
    return found


async def _break(store: Store, circle: Sequence[_Wait], found: Found) -> None:
    since = {wait.child: wait.enqueued for wait in circle}
    wrong = max(circle, key=lambda wait: (since[wait.parent] - wait.enqueued, wait.child))
    own = store.beside(wrong.child.queue)
    _, *told = await own.ask("break_wait", _encoded(wrong.child), wrong.incarnation, wrong.name)
    if told:
        found(own.queue, told[0])


def _place(store: Store, name: bytes) -> Place:
    queue, id = split_name(name)
    return Place(queue or store.queue, id)


def _encoded(place: Place) -> bytes:
    return place.id.encode(errors="surrogateescape")
