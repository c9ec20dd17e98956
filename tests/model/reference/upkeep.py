"""What workers do for the queue: what is due or lost moves on, leases are renewed, old goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.model.reference import flows, limits
from tests.model.reference.abroad import left_to_send
from tests.model.reference.job import DAY, FINISHED, Error, Token
from tests.model.reference.once import forget_onces
from tests.model.reference.queue import BAND, GONE, KEEP, Operation, Queue
from tests.model.reference.unique import vacate

__all__ = ["beat", "forgive", "forward", "leave", "reclaim", "renew", "repair", "sweep"]


def forward(queue: Queue, most: int) -> None:
    """Let what has fallen due queue up, in the order of due time and arrival."""
    batch = []
    for state in ("scheduled", "retrying"):
        batch += [job for job in queue.of(state) if (job.time or 0) <= queue.now][:most]
    # A sort keeps the order of equal ones: scheduled ones first, then by id.
    batch.sort(key=lambda job: (job.time, job.options.arrival or 0))
    if batch:
        queue.note("due", *[job.id for job in batch])
    queue.enter_together(batch, queue.places(batch))


def reclaim(queue: Queue, most: int) -> None:
    """Hand out again what was leased to a worker that is gone, or end it where its limit says so.

    After a silence of over 3 s it was Redis or everybody that was away, so live workers are given
    4 s to renew first. They get them once, not again and again, and not for ever where the clock
    was set back.
    """
    now, hold, running = queue.now, queue.hold or 0, queue.of("running")
    if now - (queue.beat or 0) > 3000 and abs(now - hold) > 6000 and running:
        queue.hold, queue.beat = now + 4000, now
        return
    if hold - 4000 <= now < hold:
        return
    for job in [job for job in running if (job.time or 0) < now][:most]:
        job.lost += 1
        queue.note("recovered", job.id)
        attempt = job.failures + 1
        if job.to_cancel:
            queue.call_off(job)
        elif job.options.at_most_once:
            queue.tally("?", "dead", 1)
            queue.bury(job, Error("abandoned", now, attempt))
        elif job.lost >= job.options.max_deliveries:
            queue.tally("?", "dead", 1)
            queue.bury(job, Error("lease_expired", now, attempt))
        else:
            assert job.place is not None
            queue.come_back(job, job.place)


def beat(
    queue: Queue,
    incarnation: str,
    worker: str,
    info: bytes,
    lead: int,
    after: str,
    obeyed: str = "",
    *,
    first: bool = False,
) -> list[Any]:
    """Note that a worker is alive. One of them leads, and moves on what is due and what is lost.

    One that does not want to lead (0) gives the lead up. The first beat makes the queue exist.

    Return status, now, whether the caller leads, next due time, next tick, 1 if a claim would find
    a job plus 2 if other queues are to be told plus 4 if they are to be asked, for which tasks
    jobs are parked, and what the worker is to obey.
    """
    if not queue.exists and not first:
        return ["NONE", queue.now, 0, -1, -1, 0, [], ""]
    queue.open()
    if queue.words.get(worker) == obeyed:
        del queue.words[worker]
    until = queue.leader_until or 0
    free = queue.leader is None or not queue.now <= until <= queue.now + lead
    leads = lead > 0 and (free or queue.leader == incarnation)
    if not leads and queue.leader == incarnation:
        queue.leader = queue.leader_until = None
    if leads:
        forward(queue, 100)
        reclaim(queue, 100)
        flows.release(queue)
        limits.open_scopes(queue)
        flows.settle(queue, released=True)
        queue.make_room()
        flows.drop(queue)
        limits.tell_freed(queue)
        queue.leader, queue.leader_until = incarnation, queue.now + lead
    queue.beat = queue.now
    queue.workers[worker] = (queue.now, info)
    due, lease_end = queue.next_due(), queue.next_lease_end()
    found = 0 <= due <= queue.now or 0 <= lease_end < queue.now
    found = (
        found or (not queue.paused and bool(queue.of("queued"))) or bool(queue.marks or queue.again)
    )
    parked = sorted({job.parked_for for job in queue.of("blocked") if job.parked_for})
    parked = [task for task in parked if task > after][:20]
    flags = int(found) + 2 * left_to_send(queue) + 4 * bool(queue.asked)
    word = queue.words.get(worker, "")
    return ["OK", queue.now, int(leads), due, queue.next_tick(), flags, parked, word]


def leave(queue: Queue, incarnation: str, worker: str) -> int:
    """Forget a worker that stops. Both markers are set: it may have taken one and not used it.

    In place of what it did stands a number above all others, so that a copy of an exchange that
    comes through late claims nothing.
    """
    if not queue.exists:
        return 0
    queue.operations[incarnation] = [Operation(GONE, queue.now)]
    queue.workers.pop(worker, None)
    queue.words.pop(worker, None)
    if queue.leader == incarnation:
        queue.leader = queue.leader_until = None
    queue.wake = queue.due = True
    return 1


def renew(
    queue: Queue, incarnation: str, unread: int, leases: Sequence[tuple[str, Token, int]]
) -> list[Any]:
    """Prolong leases that are still held, and those of exchanges from `unread` on, not read yet.

    Return now, the counter up to which all jobs of such exchanges are still held or 0, ids that are
    lost, and of those to cancel the id and the reason.
    """
    lost: list[str] = []
    cancel: dict[str, Error] = {}
    for name, token, length in leases:
        job = queue.jobs.get(name)
        if job is None or job.token != token:
            lost.append(name)
            continue
        job.time = max(job.time or 0, queue.now + length)
        if job.to_cancel:
            cancel[name] = job.errors[-1]
    confirmed, whole = 0, unread > 0
    for operation in reversed(queue.operations.get(incarnation, [])):
        if not unread or operation.counter < unread or not operation.nonce:
            continue
        for name in operation.claimed:
            job = queue.jobs.get(name)
            if job and job.token and job.token.nonce == operation.nonce:
                job.time = max(job.time or 0, queue.now + job.options.lease)
            else:
                whole = False
        confirmed = operation.counter if whole else confirmed
    return [queue.now, confirmed, lost, list(cancel.items())]


def repair(queue: Queue) -> list[Any]:
    """Find nothing amiss, but leases that a clock left ahead when it was set back.

    Return ids that are dead now, how many things were removed, how many leases were shortened.
    """
    ahead = [job for job in queue.of("running") if (job.time or 0) > (job.started or 0) > queue.now]
    for job in ahead:
        job.time = queue.now + (job.time or 0) - (job.started or 0)
    queue.make_room()
    flows.drop(queue)
    return [[], 0, len(ahead)]


def forgive(queue: Queue) -> None:
    """Let keys of which jobs were taken away stand behind what they have left."""
    for priority, key in list(queue.turns.debts):
        left = [
            (job.place or 0) % BAND
            for job in queue.queued(suspect=False)
            if (job.options.priority, job.options.key) == (priority, key)
        ]
        queue.turns.forgive(priority, key, queue.head(priority), max(left, default=0))


def sweep(queue: Queue, most: int, *, tight: bool = False) -> list[Any]:
    """Let what has outlived its retention go, and give up what no worker has known for a day.

    Return how many jobs went, how many are dead, and which were given up, and how
    many unique keys went.
    """
    if not queue.exists:
        return [0, 0, [], 0]
    now, queue.tight = queue.now, tight
    removed = queue.evict("completed", now - KEEP, most)
    removed += queue.evict("completed", now, most, kept=True)
    removed += queue.evict("cancelled", now - KEEP, most)
    removed += queue.evict("dead", now - 30 * DAY, most)
    old = [job for job in queue.of("blocked") if (job.time or 0) <= now - DAY][:most]
    given_up = [job for job in old if job.parked_for]
    for job in old:
        # Held back by a limit, or behind another: it is not to hide the others from this round.
        job.time = now
    for job in given_up:
        queue.tally(job.parked_for or "", "dead", 1)
        queue.bury(job, Error("TaskNotRegistered", now, job.failures + 1))
        removed += 1
    flows.settle(queue)
    queue.make_room()
    flows.drop(queue)
    full = sorted((at, key) for key, at in queue.full_at.items() if at <= now * 1000)[:most]
    for _, key in full:
        del queue.full_at[key]
        removed += 1
    removed += forget_onces(queue, most)
    # Gone for good: a clock that is set back does not bring them back.
    queue.started = {scope: each for scope, each in queue.started.items() if each.gone > now}
    held = [job for job in queue.jobs.values() if job.slots or job.held_back]
    parked = any(job.held_back for job in held)
    if all(job.state in FINISHED for job in queue.jobs.values()):
        queue.turns.forget()
        queue.keyed = None
    if parked:
        queue.opens[limits.ALL] = min(now, queue.opens.get(limits.ALL, now))
    elif not (queue.rules or queue.closed or held or queue.opens):
        queue.limited = ""
    for incarnation, operations in list(queue.operations.items()):
        if operations[0].time < now - 600_000:
            del queue.operations[incarnation]
    for producer, batch in list(queue.batches.items()):
        if batch[1] < now - 60_000:
            del queue.batches[producer]
    for worker, registered in list(queue.workers.items()):
        if registered[0] < now - 60_000:
            del queue.workers[worker]
            queue.words.pop(worker, None)
    for entry in list(queue.stats):
        if entry[0] < (now - 2 * DAY) / 60_000:
            del queue.stats[entry]
    return [removed, len(queue.of("dead")), [job.id for job in given_up], vacate(queue)]
