"""Reads which jobs of a queue depend on which, and what became of those that one depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis._redis.inspector import STATES, read_errors
from aiojobs_redis.codec import decode_untyped_result
from aiojobs_redis.job import JobState
from aiojobs_redis.parents import Parent
from aiojobs_redis.spec import whole
from aiojobs_redis.tree import Relatives

if TYPE_CHECKING:
    from aiojobs_redis._redis.store import Store

__all__ = ["ParentResult", "read_flow", "read_kin", "read_parents", "read_results"]

_TOO_LARGE = b"\xc1"
_NONE = b"\xc0"
_PAGE = 50


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
    found: list[ParentResult] = []
    total = 1
    while len(found) < total:
        total, *rows = await store.ask("parents", job, len(found))
        if not rows:
            break
        found += [_parent(store, *row) for row in rows]
    return found


async def read_results(store: Store, job: str) -> list[tuple[str, bytes]]:
    """Return ids and encoded results of the parents of a job; raises as `read_parents`."""
    return [(parent.id, encoded) for parent, encoded in await read_parents(store, job)]


def _parent(store: Store, key: bytes, letter: bytes, stored: bytes) -> ParentResult:
    id, state = key.decode(errors="replace"), STATES.get(letter.decode())
    if state is not JobState.COMPLETED:
        errors = read_errors(stored, store.sealing, key)
        return ParentResult(Parent(id, state, None, 0, tuple(errors)), b"")
    if store.sealing is not None:
        stored = store.sealing.open("result", key, stored)
    if stored.startswith(_TOO_LARGE):
        size = whole(stored[1:].decode(errors="replace"), 1)
        return ParentResult(Parent(id, state, None, size, ()), b"")
    # A job without a stored result returned None.
    encoded = stored or _NONE
    return ParentResult(Parent(id, state, decode_untyped_result(encoded), 0, ()), encoded)


async def read_kin(store: Store, job: str, most: int) -> dict[str, Relatives]:
    """Return the relatives of a job and of all that are found by them, upwards and downwards.

    Args:
        store: The queue.
        job: The job's id.
        most: Jobs at which the search ends.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    found: dict[str, Relatives] = {}
    for side in ("parents", "dependents"):
        found |= await _side(store, [job], side, most - len(found))
    return found


async def read_flow(store: Store, job: str, most: int) -> dict[str, Relatives]:
    """Return the relatives of all jobs of a job's flow: all that are reached in any direction.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    return await _side(store, [job], "both", most)


async def _side(store: Store, jobs: list[str], side: str, most: int) -> dict[str, Relatives]:
    found: dict[str, Relatives] = {}
    while jobs and len(found) < most:
        page, jobs = jobs[:_PAGE], jobs[_PAGE:]
        rows = await store.ask("kin", most, *page)
        for one, (parents, dependents) in zip(page, rows, strict=True):
            near = Relatives(_texts(parents), _texts(dependents))
            found[one] = near
            ways = {"parents": near.parents, "dependents": near.dependents}
            jobs += ways.get(side) or (near.parents + near.dependents if side == "both" else [])
        jobs = list(dict.fromkeys(one for one in jobs if one not in found))[: most - len(found)]
    return found


def _texts(ids: list[bytes]) -> list[str]:
    return [one.decode(errors="replace") for one in ids]
