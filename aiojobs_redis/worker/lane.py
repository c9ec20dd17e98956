"""One queue in a worker: its runs, its completions, and the exchanges that carry both.

While an exchange is on its way the next completions pile up (group commit without a timer). A
second one follows it where so many have piled up that it pays: Redis then works on the one while
this process works on the other. A lane leaves each state by what stands on the arrow:

    idle ── rung, due, beat, slot freed while hungry ──▶ one on its way ── many completions ──▶ two
      ▲                                                    │         ▲                           │
      │                                              reply │         └──────── reply ────────────┘
      └── nothing to work off ── answered ◀────────────────┘

Races that it closes:
- A reply that was lost: the same operation is sent again until it is answered; later completions
  wait for the next one. An answer before it is worked off all the same.
- An exchange that overtakes the one before it: the server refuses it, and it waits for that one.
- Two answers read in the wrong order: the later one waits, so that jobs start in their order.
- A reply that came late: claimed jobs are held from the moment the first copy was sent; what is
  past its deadline by the time it is to start goes back, uncharged, unless a renewal confirmed it.
- A marker that was popped in vain: it is answered by an exchange, which sets it again where a
  claim would still find a job.
- A stop while a claim is in flight: its jobs are handed back, unstarted.
- A claim while an answer is not worked off: its jobs take slots from the moment it is read.
- A cancellation that overtakes the reply with its job in it: it is kept until that is read.
- A job of ours that was reclaimed and came to us again: the older run is told that it lost.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import deque
from typing import TYPE_CHECKING

from aiojobs_redis._redis.eager import EAGER
from aiojobs_redis._redis.faults import FAULTS
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.worker import clock
from aiojobs_redis.worker.completion import Completion
from aiojobs_redis.worker.flight import Flight
from aiojobs_redis.worker.intake import Answer, Intake
from aiojobs_redis.worker.outage import Outage
from aiojobs_redis.worker.run import Reason, Run
from aiojobs_redis.worker.scribe import Scribe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Claim, Exchange, Store
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.worker.executor import Executor
    from aiojobs_redis.worker.failures import Failures
    from aiojobs_redis.worker.slots import Slots
    from aiojobs_redis.worker.stopping import Stopping
    from aiojobs_redis.worker.transitions import Transitions

__all__ = ["Lane"]

_log = GuardedLog("aiojobs_redis.worker")

_BATCH = 250
_BATCH_BYTES = 4 * 1024 * 1024
_KEPT_BYTES = 256
"""What a completed job takes more than a waiting one, beside its result, about."""
_NAMES_BYTES = 100
"""Bytes of names of jobs to wait for that cost Redis as much as a success."""
_MOST_WISHES = 1000
_WORTH_A_SECOND = 4
"""Completions from which on an exchange pays that does not wait for the one on its way; a quarter
of the slots, where that is more."""


class Lane:
    """One queue in a worker.

    Args:
        queue: The queue.
        worker: Name of the worker.
        weight: Its share of the slots.
        slots: The slots of the worker.
        executor: Runs the jobs.
        stopping: How far the worker is on its way to the end.
        transitions: Told of each step of a job.

    Attributes:
        incarnation: Names this lane's operations in Redis.
        hungry: Whether a claim may find a job.
        held: Leases to be renewed, by id: runs, and completions not accepted yet.
        exchanges: Number of its last exchange.
        unread: Number of the first exchange that is not taken in yet, 0 for none.
        confirmed: Number up to which a renewal found all claims of unread exchanges, and when that
            was sent.
        leads: Whether this worker does the queue's duties.
        quiet: Whether it claims nothing.
        parked: Tasks that this worker knows and for which jobs are parked.
        idle: Set while it waits.
        drained: Set while it has no runs.
        scribe: Writes down what its runs leave beside their records.
        on_idle: Told when it begins to wait.
        on_lease: Told of each run that starts with a lease shorter than usual.
        on_reply: Told of each exchange's reply.
        transitions: Told of each step of a job; ``observing``, whether also of starts and
            successes, as it was when the last answer was taken in.
        failures: Told of attempts that failed, where somebody wants to know.
        on_to_send: Told that other queues are to be told of jobs of this one.
        on_to_ask: Told names of jobs of other queues for which one of this queue waits by now.
        on_word: Told that an operator asks something of the worker.
        on_added: Told once completions have added as much to Redis as `expect` allowed.
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
        transitions: Transitions,
    ) -> None:
        self.queue = queue
        self.store: Store = queue.store
        self.worker = worker
        self.weight = weight
        self.incarnation: str = secrets.token_hex(16)
        self.hungry: bool = True
        self.held: dict[bytes, Run] = {}
        self.unread: int = 0
        self.confirmed: tuple[int, float] = (0, 0.0)
        self.leads = False
        self.quiet = False
        self.parked: Sequence[str] = ()
        self.idle: asyncio.Event = asyncio.Event()
        self.drained: asyncio.Event = asyncio.Event()
        self.drained.set()
        self.scribe: Scribe = Scribe(self)
        self.on_idle: Callable[[], None] = lambda: None
        self.on_lease: Callable[[Run], None] = lambda _: None
        self.on_reply: Callable[[Exchange], None] = lambda _: None
        self.on_to_send: Callable[[], object] = lambda: None
        self.on_to_ask: Callable[[Sequence[str]], object] = lambda _: None
        self.on_word: Callable[[], object] = lambda: None
        self.on_added: Callable[[], object] = lambda: None
        self.failures: Failures | None = None
        self.transitions = transitions
        self.observing = False
        self._added, self._expected = 0, math.inf
        self._slots = slots
        self._intake = Intake(self, executor, stopping)
        self._stopping = stopping
        self._completions: deque[Completion] = deque()
        self._wishes: dict[str, bytes] = {}
        self._signal = asyncio.Event()
        self._forced = False
        self.exchanges: int = 0
        self._active = 0
        self._suspects = 0
        self._reserved = 0
        self._flights: list[Flight] = []
        server = self.store.server
        self._both_ways = [
            (server.link(), Outage("exchange jobs", server.label, stopping)) for _ in range(2)
        ]
        self._ways = list(self._both_ways)
        self._fault: BaseException | None = None
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
        if self.quiet or self._failing or self._stopping.asked.is_set():
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
        if self.idle.is_set() and not self._flights:
            # What it waits for is this, and the way over its own task is a turn of the loop.
            self._launch(self._limit())
            self.idle.clear()
        self._signal.set()

    def wake(self) -> None:
        """Look again at what there is to do."""
        self._signal.set()

    async def run(self) -> None:
        """Exchange until the worker stops and every completion is accepted."""
        try:
            while self._fault is None:
                limit = self._limit()
                if self._pays(limit):
                    self._launch(limit)
                    if not EAGER:
                        await asyncio.sleep(0)
                elif self._intake.waiting:
                    self._work_off()
                    # Before Python 3.12 what was started has not run yet.
                    await asyncio.sleep(0)
                elif self._stopping.asked.is_set() and not self._active and not self._flights:
                    return
                else:
                    await self._wait()
            raise self._fault
        finally:
            self.scribe.stop()
            for flight in self._flights:
                flight.cancel()
            for link, _ in self._both_ways:
                link.abort()

    async def _wait(self) -> None:
        self._signal.clear()
        # With an exchange on its way it can take no slots, and must not be offered any: it would
        # be woken for nothing, again and again.
        if not self._flights:
            self._slots.offer()
            self.idle.set()
            self.on_idle()
        try:
            await self._signal.wait()
        finally:
            self.idle.clear()

    def end(self, run: Run, completion: Completion | None) -> None:
        """Take a run's end; without a completion its lease is lost and nothing is reported."""
        if run.done:
            return
        run.done = True
        if self.observing:
            run.ended = time.monotonic()
        # The context of its asyncio task leads back to the run: a cycle a job, which would keep the
        # garbage collector busy.
        run.job = None
        if run.timer is not None:
            run.timer.cancel()
        self._active -= 1
        if run.suspect:
            self._suspects -= 1
        if not self._active:
            self.drained.set()
        if completion is None:
            self.release(run)
        else:
            self._completions.append(completion)
        self._signal.set()
        self._slots.offer()

    def hand_back(self, run: Run) -> None:
        """End a run that has not started, so that the job keeps its place and spends nothing."""
        self.end(run, None if run.reason is Reason.LOST else Completion(run, "u"))

    def fallen(self, run: Run) -> None:
        """End a run whose asyncio task has ended and said nothing: it must not keep its slot."""
        self._intake.fallen(run)

    def lost(self, run: Run) -> None:
        """Take note that a lease is somebody else's."""
        if not run.done and run.reason is not Reason.LOST:
            _log.warning("job %s: the lease is lost, its result will be dropped", run.id)
            run.stop(Reason.LOST)

    def cancel(self, key: bytes, token: str, wish: bytes) -> None:
        """Cancel the run of a lease on somebody's request.

        Args:
            key: The job's id.
            token: Names the lease, which may be one that no reply has told of yet.
            wish: The error with the reason, as stored.
        """
        run = self.held.get(key)
        if run is not None and run.token == token:
            run.cancel(wish)
        elif self.unread and len(self._wishes) < _MOST_WISHES:
            self._wishes[token] = wish

    def leased_since(self, answer: Answer) -> float:
        """Return the boot-time second from which the leases of an answer's claims count."""
        confirmed, at = self.confirmed
        return max(answer.sent, at) if confirmed >= answer.number else answer.sent

    def hold(self, claim: Claim, nonce: str, since: float) -> Run:
        """Make a claim a run, whose lease is renewed from now on."""
        run = Run(self, claim, nonce, since)
        older = self.held.get(run.key)
        if older is not None:
            older.stop(Reason.LOST)
        self.held[run.key] = run
        if self._wishes and run.token in self._wishes:
            run.cancel(self._wishes.pop(run.token))
        return run

    def release(self, run: Run) -> None:
        """Renew its lease no more."""
        if self.held.get(run.key) is run:
            del self.held[run.key]

    def taken_in(self) -> None:
        """Take note that the claims of all answers are held."""
        self.unread = min([flight.number for flight in self._flights], default=0)
        if not self.unread:
            self._wishes.clear()

    def expect(self, added: int | None) -> None:
        """Tell `on_added` once completions have added so many bytes from now on; None for never."""
        self._added, self._expected = 0, math.inf if added is None else added

    async def extend(self, run: Run, ms: int) -> bool:
        """Prolong one lease; whether it was lost."""
        async with self.store.server.borrow() as link:
            pair = (run.key, f"{run.token} {ms}")
            renewal = await self.store.renew(link, self.incarnation, 0, pair)
        return bool(renewal.lost)

    def _next_batch(self) -> list[Completion]:
        batch: list[Completion] = []
        size = 0
        completions = self._completions
        work = 0
        while completions:
            first = completions[0]
            size += len(first.body)
            # Anything but a plain success costs Redis about three times as much, and to wait for
            # jobs as much more as they are.
            work += 1 if first.code == "c" else 3
            work += len(first.body) // _NAMES_BYTES if first.code == "w" else 0
            if (size > _BATCH_BYTES or work > _BATCH) and batch:
                break
            batch.append(completions.popleft())
        self._added += size + _KEPT_BYTES * len(batch)
        if self._added > self._expected:
            self._expected = math.inf
            self.on_added()
        return batch

    @property
    def _failing(self) -> bool:
        return any(flight.failing for flight in self._flights)

    def _pays(self, limit: int) -> bool:
        """Whether an exchange is to be sent now."""
        if not self._flights:
            return bool(self._completions or self._forced or (limit and self.hungry))
        if not self._ways or self._failing:
            return False
        return len(self._completions) >= max(_WORTH_A_SECOND, self._slots.total / 4)

    def _launch(self, limit: int) -> None:
        self._forced = False
        self.exchanges += 1
        older = self._flights[0] if self._flights else None
        flight = Flight(
            self.exchanges,
            limit=limit,
            # One at a time beside fresh jobs, whichever exchange brings it.
            may_suspect=not self._suspects and not (older and older.may_suspect),
            batch=self._next_batch(),
            parked=self.parked if limit else (),
            older=older,
        )
        if limit:
            self.hungry = False
        self._reserved += limit
        if not self.unread:
            self.unread = flight.number
        self._flights.append(flight)
        flight.start(self._fly(flight))

    async def _fly(self, flight: Flight) -> None:
        way = self._ways.pop()
        try:
            reply = await self._send(flight, *way)
            flight.answered.set()
            flight.settled.set()
            if flight.older is not None:
                await flight.older.settled.wait()
            self._take(flight, reply)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fault = error
        finally:
            self._ways.append(way)
            self._reserved -= flight.reserved
            self._flights.remove(flight)
            # Each would hold the one before it, back to the first.
            flight.older = None
            self._signal.set()
        if self._fault is None and not (self._flights or self._completions or self.hungry):
            # Nothing else is to be sent before: jobs start a turn of the loop earlier.
            try:
                self._work_off()
            except BaseException as error:
                self._fault = error

    def _take(self, flight: Flight, reply: Exchange) -> None:
        self._reserved -= flight.reserved
        flight.reserved = 0
        # While the call was sent again, other lanes may have taken what was reserved.
        room = min(self._slots.idle, len(reply.claims))
        self._active += len(reply.claims)
        self._suspects += sum([claim.lost >= 2 for claim in reply.claims if claim.counts])
        self._intake.put(
            Answer(flight.number, flight.nonce, flight.sent, room, flight.batch, reply)
        )
        if reply.claims:
            self.drained.clear()
            self._slots.claimed(self, room)
            self.hungry = self.hungry or len(reply.claims) == flight.limit
        overdue = reply.due_at is not None and reply.due_at <= reply.now
        if overdue and (flight.limit or self.leads) and not self._stopping.asked.is_set():
            self.ring()
        self._due = (reply.due_at, reply.now, clock.now())
        self.on_reply(reply)
        if reply.to_send:
            self.on_to_send()

    async def _send(self, flight: Flight, link: Link, outage: Outage) -> Exchange:
        while True:
            try:
                words = flight.arguments(self.incarnation, self.worker)
                reply = await self.store.exchange(link, words)
            except FAULTS as error:
                self._let_others_go_on(flight)
                await outage.pause(error)
                continue
            if not reply.early:
                flight.failing = False
                outage.over()
                return reply
            if flight.older is not None:
                await flight.older.answered.wait()

    def _let_others_go_on(self, flight: Flight) -> None:
        # An outage of this server is no reason for the queues of another one to wait.
        if flight.failing:
            return
        flight.failing = True
        flight.settled.set()
        self._reserved -= flight.reserved
        flight.reserved = 0
        self._slots.offer()
        self._signal.set()
        self.on_idle()

    def _work_off(self) -> None:
        self._intake.work_off(all_at_once=bool(self._flights))

    def _limit(self) -> int:
        if self.quiet or self._stopping.asked.is_set():
            return 0
        return min(self._slots.free(self), _BATCH)
