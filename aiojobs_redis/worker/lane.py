"""One queue in a worker: its runs, its completions, and the exchange that carries both.

While one exchange is in flight the next completions pile up (group commit without a timer). A
lane is in one of these states, and leaves it by what stands on the arrow:

    idle ── rung, due, beat, slot freed while hungry ──▶ exchanging ── reply ──▶ idle
                                                            │  ▲
                                       fault that passes    ▼  │ same bytes again, after a back-off
                                                          resending

Races that it closes:
- A reply that was lost: the same operation is sent again, byte for byte, until it is answered;
  later completions wait for the next one.
- A reply that came late: claimed jobs are held from the moment the first copy was sent; what is
  past its deadline by the time it is read goes back, uncharged, unless a renewal confirmed it.
- A marker that was popped in vain: it is answered by an exchange, which sets it again where a
  claim would still find a job.
- A stop while a claim is in flight: its jobs are handed back, unstarted.
- A job that blocks the loop before the others of its claim have started: they are held, and so
  renewed, before the first one starts.
- A job of ours that was reclaimed and came to us again: the older run is told that it lost.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from aiojobs_redis._redis.faults import FAULTS
from aiojobs_redis.worker import clock
from aiojobs_redis.worker.completion import Completion
from aiojobs_redis.worker.outage import Outage
from aiojobs_redis.worker.run import Reason, Run
from aiojobs_redis.worker.starter import Starter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Claim, Exchange
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.worker.executor import Executor
    from aiojobs_redis.worker.slots import Slots
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Lane"]

_log = logging.getLogger("aiojobs_redis.worker")

_BATCH = 250
_BATCH_BYTES = 4 * 1024 * 1024


class Lane:
    """One queue in a worker.

    Args:
        queue: The queue.
        worker: Name of the worker.
        weight: Its share of the slots.
        slots: The slots of the worker.
        executor: Runs the jobs.
        stopping: How far the worker is on its way to the end.

    Attributes:
        incarnation: Names this lane's operations in Redis.
        hungry: Whether a claim may find a job.
        held: Leases to be renewed, by id: runs, and completions not accepted yet.
        unread: Number of the exchange in flight, 0 for none.
        confirmed: Number of an unread exchange that a renewal found, and when that was sent.
        leads: Whether this worker does the queue's duties.
        quiet: Whether it claims nothing.
        parked: Tasks that this worker knows and for which jobs are parked.
        idle: Set while it waits.
        drained: Set while it has no runs.
        on_idle: Told when it begins to wait.
        on_lease: Told of the length of each lease, ms.
        on_reply: Told of each exchange's reply.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        worker: str,
        weight: float,
        slots: Slots,
        executor: Executor,
        stopping: Stopping,
    ) -> None:
        self.queue = queue
        self.store = queue.store
        self.worker = worker
        self.weight = weight
        self.incarnation = secrets.token_hex(16)
        self.hungry = True
        self.held: dict[bytes, Run] = {}
        self.unread = 0
        self.confirmed: tuple[int, float] = (0, 0.0)
        self.leads = False
        self.quiet = False
        self.parked: Sequence[str] = ()
        self.idle = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()
        self.on_idle: Callable[[], None] = lambda: None
        self.on_lease: Callable[[int], None] = lambda _: None
        self.on_reply: Callable[[Exchange], None] = lambda _: None
        self._slots = slots
        self._starter = Starter(self, executor)
        self._stopping = stopping
        self._outage = Outage("exchange jobs", self.store.server.label, stopping)
        self._completions: deque[Completion] = deque()
        self._signal = asyncio.Event()
        self._forced = False
        self._counter = 0
        self._active = 0
        self._suspects = 0
        self._reserved = 0
        self._resending = False
        self._due: tuple[int | None, int, float] = (None, 0, 0.0)

    @property
    def used(self) -> int:
        """Slots that its runs take, and those that a claim in flight may fill."""
        return self._active + self._reserved

    @property
    def active(self) -> int:
        """Runs that have not ended."""
        return self._active

    @property
    def wanting(self) -> bool:
        """Whether it is to have a share of the slots: it may find jobs, and can ask for them."""
        if self.quiet or self._resending or self._stopping.asked.is_set():
            return False
        return self.hungry or self._reserved > 0

    @property
    def starving(self) -> bool:
        """Whether it has free slots and nothing to fill them with: the time to wait for a ring."""
        return not self.hungry and not self.quiet and self._slots.free(self) > 0

    @property
    def about_to_claim(self) -> bool:
        """Whether a claim is in flight or the next thing to come."""
        return self._reserved > 0 or (self.wanting and self._limit() > 0)

    def due_now(self) -> bool:
        """Whether, as far as the last reply tells, a job has fallen due since."""
        due_at, server_now, at = self._due
        return due_at is not None and due_at <= server_now + (clock.now() - at) * 1000

    def ring(self) -> None:
        """Exchange at once: a claim may find a job, and a marker may have to be set again."""
        self.hungry = self._forced = True
        self._signal.set()

    def wake(self) -> None:
        """Look again at what there is to do."""
        self._signal.set()

    async def run(self) -> None:
        """Exchange until the worker stops and every completion is accepted."""
        link = self.store.server.link()
        try:
            while True:
                limit = self._limit()
                if self._completions or self._forced or (limit and self.hungry):
                    await self._exchange(link, limit)
                elif self._stopping.asked.is_set() and not self._active:
                    return
                else:
                    self._signal.clear()
                    self._slots.offer()
                    self.idle.set()
                    self.on_idle()
                    await self._signal.wait()
                    self.idle.clear()
        finally:
            link.abort()

    def end(self, run: Run, completion: Completion | None) -> None:
        """Take a run's end; without a completion its lease is lost and nothing is reported."""
        if run.done:
            return
        run.done = True
        # The context of its asyncio task leads back to the run: a cycle a job, which would keep the
        # garbage collector busy.
        run.job = None
        if run.timer is not None:
            run.timer.cancel()
        self._active -= 1
        self._suspects -= run.suspect
        if not self._active:
            self.drained.set()
        if completion is None:
            self._release(run)
        else:
            self._completions.append(completion)
        self._signal.set()
        self._slots.offer()

    def hand_back(self, run: Run) -> None:
        """End a run that has not started, so that the job keeps its place and spends nothing."""
        self.end(run, None if run.reason is Reason.LOST else Completion(run, "r"))

    def lost(self, run: Run) -> None:
        """Take note that a lease is somebody else's."""
        if not run.done and run.reason is not Reason.LOST:
            _log.warning("job %s: the lease is lost, its result will be dropped", run.id)
            run.stop(Reason.LOST)

    def cancel(self, key: bytes) -> None:
        """Cancel a run on somebody's request."""
        run = self.held.get(key)
        if run is not None:
            run.stop(Reason.CANCELLED)

    async def extend(self, run: Run, ms: int) -> bool:
        """Prolong one lease; whether it was lost."""
        async with self.store.server.borrow() as link:
            pair = (run.key, f"{run.token} {ms}")
            renewal = await self.store.renew(link, self.incarnation, 0, pair)
        return bool(renewal.lost)

    def _limit(self) -> int:
        if self.quiet or self._stopping.asked.is_set():
            return 0
        return min(self._slots.free(self), _BATCH)

    def _release(self, run: Run) -> None:
        if self.held.get(run.key) is run:
            del self.held[run.key]

    def _next_batch(self) -> list[Completion]:
        batch: list[Completion] = []
        size = 0
        completions = self._completions
        work = 0
        while completions:
            size += len(completions[0].body)
            # Anything but a plain success costs Redis about three times as much.
            work += 1 if completions[0].code == "c" else 3
            if batch and (size > _BATCH_BYTES or work > _BATCH):
                break
            batch.append(completions.popleft())
        return batch

    async def _exchange(self, link: Link, limit: int) -> None:
        self._forced = False
        batch = self._next_batch()
        tasks: dict[str, int] = {}
        flat: list[str | bytes] = []
        now = time.monotonic()
        for run, code, argument, body in batch:
            name = run.task.name if run.task is not None else "?"
            number = tasks.setdefault(name, len(tasks) + 1)
            spent = int((now - run.started) * 1000) if run.started else 0
            flat += (run.key, f"{code} {run.token} {argument} {number} {spent}", body)
        self._counter += 1
        nonce = secrets.token_hex(16)
        head = (self.incarnation, self._counter, nonce, self.worker, limit)
        counts = ("0" if self._suspects else "1", len(batch), len(tasks))
        args = (*head, *counts, *tasks, *flat, *(self.parked if limit else ()))
        if limit:
            self.hungry = False
        self._reserved = limit
        self.unread = self._counter
        sent = clock.now()
        try:
            reply = await self._send(link, args)
        finally:
            self._reserved = 0
        self._settle(batch, reply)
        number, at = self.confirmed
        held_since = max(sent, at) if number == self._counter else sent
        # While the call was sent again, other lanes may have taken what was reserved.
        room = min(self._slots.idle, len(reply.claims))
        # All are held before the first one starts: it may block the loop for longer than a lease.
        runs = [self._hold(claim, nonce, held_since) for claim in reply.claims]
        self.unread = 0
        self._slots.claimed(self, room)
        for place, run in enumerate(runs):
            self._begin(run, fits=place < room)
        if limit and len(reply.claims) == limit:
            self.hungry = True
        if reply.due_at is not None and reply.due_at <= reply.now and (limit or self.leads):
            self.ring()
        self._due = (reply.due_at, reply.now, clock.now())
        self.on_reply(reply)

    async def _send(self, link: Link, args: Sequence[Any]) -> Exchange:
        while True:
            try:
                reply = await self.store.exchange(link, args)
            except FAULTS as error:
                if not self._resending:
                    self._let_others_go_on()
                await self._outage.pause(error)
            else:
                self._resending = False
                self._outage.over()
                return reply

    def _let_others_go_on(self) -> None:
        # An outage of this server is no reason for the queues of another one to wait.
        self._resending = True
        self._reserved = 0
        self._slots.offer()
        self.on_idle()

    def _settle(self, batch: Sequence[Completion], reply: Exchange) -> None:
        refused = set(reply.lost)
        for completion in batch:
            run = completion.run
            self._release(run)
            if run.key in refused or not reply.exists:
                _log.warning("job %s: its completion came after its lease was lost", run.id)

    def _hold(self, claim: Claim, nonce: str, since: float) -> Run:
        run = Run(self, claim, nonce, since)
        older = self.held.get(run.key)
        if older is not None:
            older.stop(Reason.LOST)
        self.held[run.key] = run
        self._active += 1
        self._suspects += run.suspect
        self.drained.clear()
        return run

    def _begin(self, run: Run, *, fits: bool) -> None:
        late = clock.now() > run.deadline
        if late or not fits or run.stopping or self._stopping.asked.is_set():
            self.hand_back(run)
        else:
            self._starter.start(run)
