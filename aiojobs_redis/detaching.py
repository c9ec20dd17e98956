"""Lets a job that waits for others go on without some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis._redis.inspector import STATES
from aiojobs_redis._redis.pruner import Pruner, detach
from aiojobs_redis.dependencies import Edge, Handle
from aiojobs_redis.errors import ConfigInvalid, JobNotFound, JobStateError
from aiojobs_redis.neighbours import parent_name
from aiojobs_redis.options import check_id

if TYPE_CHECKING:
    from aiojobs_redis.queue import Queue

__all__ = ["remove_dependency", "remove_waiting_parents"]


async def remove_dependency(queue: Queue, job: str, parent: Handle | str) -> None:
    """Let a job wait for one of its parents no more; as `Job.remove_dependency`."""
    if isinstance(parent, Edge) or not isinstance(parent, str | Handle):
        raise ConfigInvalid(
            f"remove_dependency takes the handle or the id of a job, got {parent!r:.80}"
        )
    id = check_id("the id of a job", parent if isinstance(parent, str) else parent.id)
    name = parent_name(queue, id, None if isinstance(parent, str) else parent.queue)
    letter = await detach(queue.store, job, name)
    if letter == "-":
        raise JobStateError(
            f"job {job} does not depend on job {id}{_elsewhere(queue, parent)}: see job.tree() for "
            "those it does. One of another queue is named by its handle. Nothing was changed."
        )
    if letter == "n":
        raise JobStateError(
            f"job {job} cannot forget job {id}{_elsewhere(queue, parent)}: since that one has "
            "failed, it runs without the others (run_now). Let it run. Nothing was changed."
        )
    if not letter.isupper():
        _refuse(queue, job, letter)


async def remove_waiting_parents(queue: Queue, job: str, reason: str | None) -> int:
    """Cancel what only a job waits for; as `Job.remove_waiting_parents`."""
    letter, cancelled = await Pruner(queue.store, job, reason).prune()
    if not letter.isupper():
        _refuse(queue, job, "" if letter == "-" else letter)
    return cancelled


def _elsewhere(queue: Queue, parent: Handle | str) -> str:
    other = None if isinstance(parent, str) else parent.queue
    return "" if other is None or other.name == queue.name else f" of queue {other.name}"


def _refuse(queue: Queue, job: str, letter: str) -> None:
    if not letter:
        raise JobNotFound(f"there is no record of job {job} in queue {queue.name}")
    why = "" if letter != "b" else " by a limit, by its unique key or for a worker with its task"
    raise JobStateError(
        f"job {job} waits for no other job: it is {STATES.get(letter, 'damaged')}{why}. "
        "Nothing was changed."
    )
