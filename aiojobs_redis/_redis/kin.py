"""Reads which jobs of a queue depend on which, and what became of those that one depends on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis._redis.abroad import name_abroad, split_name
from aiojobs_redis._redis.inspector import STATES, read_errors
from aiojobs_redis.codec import decode_untyped_result
from aiojobs_redis.job import JobState
from aiojobs_redis.parents import Parent
from aiojobs_redis.spec import whole
from aiojobs_redis.tree import Place, Relatives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis._redis.store import Store

__all__ = [
    "ENDED",
    "ParentResult",
    "read_above",
    "read_flow",
    "read_kin",
    "read_parents",
    "read_results",
]

_TOO_LARGE = b"\xc1"
_NONE = b"\xc0"
_PAGE = 50

ENDED = (JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED)
"""The states of which there is no way on but to be run again."""


class ParentResult(NamedTuple):
    """A parent, and what it returned as it was encoded.

    Attributes:
        parent: The parent.
        encoded: MessagePack of its result; empty where there is none.
    """

    parent: Parent
    encoded: bytes


async def read_parents(store: Store, job: str) -> list[ParentResult]:
    """Return the parents of a job in the order of its ``depends_on``, in as many calls as it takes.

    Raises:
        PayloadRejected: A stored result is not the one that a worker of this queue sealed.
        QueueUnavailable: Redis did not answer.
    """
    found, _ = await _read(store, job)
    return found


async def read_results(store: Store, job: str) -> list[tuple[str, bytes]]:
    """Return ids and encoded results of the parents of a job; empty for one that has none.

    A parent is passed over whose failure lets the job run all the same; and, where that of one
    lets it run at once, one that has not ended.

    Raises:
        JobFailed: A parent ended dead.
        JobCancelled: One was cancelled.
        JobNotFound: There is no record of one any more.
        JobStateError: One runs again.
        ResultTooLarge: The result of one was not kept.
        PayloadRejected: A stored result is not the one that a worker of this queue sealed.
        QueueUnavailable: Redis did not answer.
    """
    found, letters = await _read(store, job)
    for at, (parent, _) in enumerate(found):
        letter = letters[at + 1 : at + 2] or letters[0]
        early = "n" in letters and parent.state not in (None, *ENDED)
        if letter not in ("r", "n") and not early:
            parent.result()
    return [(parent.id, encoded) for parent, encoded in found]


async def _read(store: Store, job: str) -> tuple[list[ParentResult], str]:
    found: list[ParentResult] = []
    total, letters = 1, b"f"
    while len(found) < total:
        total, letters, *rows = await store.ask("parents", job, len(found))
        if not rows:
            break
        found += [_parent(store, *row) for row in rows]
    return found, letters.decode()


def _parent(store: Store, key: bytes, letter: bytes, stored: bytes) -> ParentResult:
    queue, id = split_name(key)
    state, key = STATES.get(letter.decode()), id.encode(errors="surrogateescape")
    sealing = store.sealing if queue is None else store.beside(queue).sealing
    if state is not JobState.COMPLETED:
        errors = read_errors(stored, sealing, key)
        return ParentResult(Parent(id, state, None, 0, tuple(errors), queue), b"")
    if sealing is not None:
        stored = sealing.open("result", key, stored)
    if stored.startswith(_TOO_LARGE):
        size = whole(stored[1:].decode(errors="replace"), 1)
        return ParentResult(Parent(id, state, None, size, (), queue), b"")
    # A job without a stored result returned None.
    encoded = stored or _NONE
    value = decode_untyped_result(encoded)
    return ParentResult(Parent(id, state, value, 0, (), queue), encoded)


async def read_kin(store: Store, job: str, most: int) -> dict[Place, Relatives]:
    """Return the relatives of a job and of all that are found by them, upwards and downwards.

    Args:
        store: The queue.
        job: The job's id.
        most: Jobs at which the search ends.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    found: dict[Place, Relatives] = {}
    for side in ("parents", "dependents"):
        found |= await _side(store, job, side, most - len(found))
    return found


async def read_above(store: Store, job: str, most: int) -> dict[Place, Relatives]:
    """Return the relatives of a job and of all that are found by their parents.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    return await _side(store, job, "parents", most)


async def read_flow(store: Store, job: str, most: int) -> dict[Place, Relatives]:
    """Return the relatives of all jobs of a job's flow: all that are reached in any direction.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    return await _side(store, job, "both", most)


async def _side(store: Store, job: str, side: str, most: int) -> dict[Place, Relatives]:
    found: dict[Place, Relatives] = {}
    # Which queues know of a job: its own forgets that with the job, and the others do not.
    known: dict[Place, set[str]] = defaultdict(set)
    jobs = [Place(store.queue, job)]
    while jobs and len(found) < most:
        queue = jobs[0].queue
        page = [one for one in jobs[: min(_PAGE, most - len(found))] if one.queue == queue]
        # Those that were left out of the answer are asked for again.
        near = await _near(store.beside(queue), page, most, known)
        for one, own in zip(page, near, strict=False):
            found[one] = own
            ways = {"parents": own.parents, "dependents": own.dependents}
            jobs += ways.get(side) or (own.parents + own.dependents if side == "both" else [])
            for parent in own.parents if side == "both" else ():
                if parent.queue != queue and queue not in known[parent]:
                    known[parent].add(queue)
                    # It may have been found by way of another queue.
                    _ = found.pop(parent, None)
        jobs = list(dict.fromkeys(one for one in jobs if one not in found))[: most - len(found)]
    return found


async def _near(
    store: Store, page: Sequence[Place], most: int, known: dict[Place, set[str]]
) -> list[Relatives]:
    """Return the relatives of jobs of one queue, with those in other queues: of the first ones."""
    near: list[Relatives] = []
    elsewhere: dict[str, list[tuple[str, Relatives]]] = defaultdict(list)
    rows = await store.ask("kin", most, *[one.id for one in page])
    for one, (parents, dependents, queues) in zip(page, rows, strict=False):
        own = Relatives(_places(store.queue, parents), _places(store.queue, dependents))
        near.append(own)
        known[one].update(queue.decode() for queue in queues)
        for queue in sorted(known[one]):
            elsewhere[queue].append((name_abroad(store.queue, one.id), own))
    for queue, pairs in elsewhere.items():
        left = pairs
        while left:
            names = [name.encode(errors="surrogateescape") for name, _ in left]
            rows = await store.beside(queue).ask("kin", most, *names)
            for (_, own), (_, dependents, _) in zip(left, rows, strict=False):
                own.dependents += _places(queue, dependents)
            left = left[len(rows) :]
    return near


def _places(queue: str, names: Sequence[bytes]) -> list[Place]:
    return [Place(other or queue, id) for other, id in map(split_name, names)]
