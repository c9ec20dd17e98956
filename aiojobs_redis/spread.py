"""Adds a flow whose jobs are of several queues.

No script writes to two queues. The part of each queue is added by one script, all or nothing, and
that of the home queue last. Until then the jobs of the others wait for a gate, which the script of
the home queue opens: so no job starts before all are there.

    parts of the others ─▶ home queue, opens the gate ─▶ the others hear of it
      │ refused                │ refused
      └── what was written is removed again

Where this process dies before the home queue has its part, the gate stays shut: the jobs behind it
are cancelled after a minute, by the leader of their queue. Where it dies after that, the leader of
the home queue says that it is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from aiojobs_redis._redis.abroad import gate_id, hand_over, name_abroad
from aiojobs_redis._redis.remover import Remover
from aiojobs_redis.errors import AiojobsError, NotReplicated, QueueUnavailable
from aiojobs_redis.neighbours import check_neighbour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiojobs_redis.flow import Flow, Placed
    from aiojobs_redis.handle import Job
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.task import BoundCall

__all__ = ["Part", "add_flow"]

_LONGEST = 30.0
"""Seconds between the first part and the last: half of what the others wait for their gate."""


class Part(NamedTuple):
    """What the jobs of one queue in a flow over several have to do with the others.

    Attributes:
        gate: Name of the gate for which its jobs wait; empty for the home queue.
        inside: Names of jobs of the flow in other queues, on which some of these depend.
        told: In pairs a queue and a job that it waits for, or a gate that opens there.
    """

    gate: str
    inside: frozenset[str]
    told: tuple[str, ...]


async def add_flow(queue: Queue, flow: Flow) -> list[Job[Any]]:
    """Add the jobs of a flow; see `Queue.enqueue_flow`."""
    placed = flow.placed(queue)
    # Two of one name may be in two places: each is looked at before they go by their names.
    for other in dict.fromkeys(one.queue for one in placed):
        check_neighbour(queue, other)
    owners = {one.queue.name: one.queue for one in placed}
    if list(owners) == [queue.name]:
        return await queue.submitting.add_together([one.call for one in placed])
    home = owners.get(queue.name) or placed[0].queue
    parts, calls = _parts(placed, home.name), _calls(placed)
    for name, part in parts.items():
        await owners[name].submitting.check_part(calls[name], part)
    jobs: dict[str, list[Job[Any]]] = {}
    began = asyncio.get_running_loop().time()
    try:
        for name in owners.keys() - {home.name}:
            try:
                jobs[name] = await owners[name].submitting.add_part(calls[name], parts[name])
            except AiojobsError as error:
                # Added all the same, where it was only not confirmed.
                jobs[name] = list(error.jobs)
                error.jobs = error.calls = ()
                raise
        _check_time(asyncio.get_running_loop().time() - began)
    except BaseException:
        await _take_back(owners, jobs)
        raise
    try:
        jobs[home.name] = await home.submitting.add_part(calls[home.name], parts[home.name])
    except (QueueUnavailable, NotReplicated, asyncio.CancelledError):
        # It was added, or may have been, and then the others must stay.
        raise
    except BaseException:
        await _take_back(owners, jobs)
        raise
    # What cannot be said now, the workers say.
    with contextlib.suppress(AiojobsError):
        await hand_over(home.store)
    handles = {name: iter(found) for name, found in jobs.items()}
    return [next(handles[one.queue.name]) for one in placed]


def _calls(placed: Sequence[Placed]) -> dict[str, list[BoundCall[Any]]]:
    calls: dict[str, list[BoundCall[Any]]] = {}
    for one in placed:
        calls.setdefault(one.queue.name, []).append(one.call)
    return calls


def _check_time(seconds: float) -> None:
    if seconds > _LONGEST:
        raise QueueUnavailable(
            f"Redis took {seconds:.0f} s to add parts of a flow over several queues, and may take "
            f"{_LONGEST:g} s; they were removed again. Try again when it is faster."
        )


async def _take_back(owners: Mapping[str, Queue], jobs: Mapping[str, Sequence[Job[Any]]]) -> None:
    for name, own in jobs.items():
        with contextlib.suppress(AiojobsError):
            added = [job.id for job in own if job.created]
            await Remover(owners[name].store).remove(added, "b")


def _parts(placed: Sequence[Placed], home: str) -> dict[str, Part]:
    names = [(one.queue.name, one.id) for one in placed]
    gate = gate_id(hashlib.blake2b(repr(names).encode(), digest_size=12).hexdigest())
    parts: dict[str, Part] = {}
    for queue in dict.fromkeys(one.queue.name for one in placed):
        own = [one for one in placed if one.queue.name == queue]
        inside = {names[at] for one in own for at in one.after if names[at][0] != queue}
        told = dict.fromkeys(
            (one.queue.name, names[at][1])
            for one in placed
            for at in one.after
            if names[at][0] == queue != one.queue.name
        )
        if queue == home:
            told |= dict.fromkeys((other, gate) for other, _ in names if other != home)
        parts[queue] = Part(
            "" if queue == home else name_abroad(home, gate),
            frozenset(name_abroad(*name) for name in inside),
            tuple(text for pair in told for text in pair),
        )
    return parts
