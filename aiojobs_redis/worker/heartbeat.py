"""Renews the leases of a worker from a thread, so that a task that blocks the loop keeps its job.

The thread has a blocking connection of its own, with a timeout of most of a heartbeat and no
resend: on a line that is only slow, the reply that is waited for costs less than a new connection.
A renewal counts from the moment it was sent: past that plus the lease, less a margin, the worker
gives the run up by itself, since somebody else may hold the job by then.

While the reply of an exchange is not read, the jobs in it are leased to this worker although it
does not know them yet. The thread passes the number of that exchange, and Redis renews its claims.

A server that is away, or a queue that refuses, keeps nobody else's leases from being renewed: it is
passed over for the rest of a beat, and comes last in the next one.

The thread also watches the loop: one that has not answered for a second is reported with the
stack that holds it. It stops renewing what has outrun its timeout, and with a loop that has hung
that long also what has not started: those jobs go to other workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis._redis.faults import FAULTS, Fault, classify
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.printing import log_error
from aiojobs_redis.worker import clock
from aiojobs_redis.worker.run import USUAL_LEASE_MS, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiojobs_redis._redis.link import SyncLink
    from aiojobs_redis._redis.store import Renewal
    from aiojobs_redis.worker.lane import Lane

__all__ = ["Heartbeat"]

_log = GuardedLog("aiojobs_redis.worker")

_CHUNK = 250
_LOOK = 0.5
_BLOCKED = 1.0
_SHORTEST_TIMEOUT = 0.25
_PATIENCE = 0.7
"""Share of a beat until which its reply is waited for: two tries fit into the rest of a lease."""
_OLD = 2.2
"""Beats of a lease that are left where its claim took half a beat to arrive."""
_SOON = 0.25
_SHOWN = 100


class _Parcel(NamedTuple):
    """Leases for one renewal."""

    lane: Lane
    runs: Sequence[Run]
    unread: int
    pairs: Sequence[str | bytes]


class _Faults:
    """What failed in one beat."""

    def __init__(self) -> None:
        self._places: set[object] = set()
        self.last: BaseException | None = None

    def add(self, lane: Lane, error: BaseException) -> None:
        """Note what a lane met: an outage concerns all that are on its server."""
        self._places.add(lane.store.server if classify(error) is Fault.RETRY else lane)
        self.last = error

    def concern(self, lane: Lane) -> bool:
        """Whether there is no use in asking for this lane in the same beat."""
        return bool(self._places) and (lane in self._places or lane.store.server in self._places)


class Heartbeat:
    """Renews the leases of some lanes.

    Args:
        lanes: The lanes.
        loop: Their event loop.
    """

    def __init__(self, lanes: Sequence[Lane], loop: asyncio.AbstractEventLoop) -> None:
        self._lanes = lanes
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._lease_ms = USUAL_LEASE_MS
        self._links: dict[Lane, SyncLink] = {}
        self._stopped = threading.Event()
        self._sooner = threading.Event()
        self._at_once = False
        self.on_shorter: Callable[[], object] = self._sooner.set
        self._answered = time.monotonic()
        self._asked = False
        self._reported = False
        self._ended = asyncio.Event()
        self._failing = False
        self._survived = False
        self._last = self._due = 0.0
        self._thread = threading.Thread(target=self._run, name="aiojobs-heartbeat", daemon=True)

    @property
    def needs_loop(self) -> bool:
        """Whether a thread cannot connect as the brought client does."""
        return any(lane.store.server.sync_link(self.period) is None for lane in self._lanes)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """End the thread, if it was started, once no lease is left to renew."""
        self._stopped.set()
        self._sooner.set()
        if self._thread.is_alive():
            # Not by joining it from another thread: users' blocking calls may have taken them all.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.period):
                    await self._ended.wait()

    def shorten(self, run: Run) -> None:
        """Beat often enough for a run's lease, and at once where much of it has passed."""
        if run.lease_ms < self._lease_ms:
            self._lease_ms = run.lease_ms
            self.on_shorter()
        if run.deadline - clock.now() < self.period * _OLD:
            self.hasten()

    def hasten(self) -> None:
        """Beat at once: there may be cancellations that no message tells of."""
        self._at_once = True
        self.on_shorter()

    @property
    def period(self) -> float:
        """Seconds between two renewals: a third of the shortest lease that is held, 5 at most."""
        return self._lease_ms / 3000

    def _run(self) -> None:
        self._connect()
        self._due = time.monotonic() + self.period
        while not self._stopped.is_set():
            try:
                self._turn()
            except BaseException as error:
                # Without the thread every lease would run out: it goes on whatever happens.
                self._survive(error)
        with contextlib.suppress(Exception):
            self._drop_links()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)

    def _turn(self) -> None:
        pause = self._due - time.monotonic()
        self._sooner.wait(max(0.0, min(pause, _LOOK if self._busy else pause)))
        if self._sooner.is_set():
            self._sooner.clear()
            # Not a period from now: the first short lease is as old as its claim was on its way,
            # and its renewal may have to connect first.
            last = self._last
            self._due = min(self._due, last if self._at_once else last + self.period)
        if time.monotonic() >= self._due:
            self._last, self._at_once = time.monotonic(), False
            # A failed renewal is tried again soon: half a lease is left for that.
            self._due = time.monotonic() + self.period * _SOON
            if self._beat():
                self._due = time.monotonic() + self.period
        # Last: what fails here has cost no renewal.
        if self._busy and not self._stopped.is_set():
            self._watch()

    @property
    def _busy(self) -> bool:
        return any(lane.held or lane.unread for lane in self._lanes)

    def _survive(self, error: BaseException) -> None:
        if not self._survived:
            self._survived = True
            log_error(_log, error, "the thread that renews leases met an error, and goes on")
        self._stopped.wait(self.period * _SOON)

    def _connect(self) -> None:
        # Once there is something to renew, jobs may have taken all the connections that Redis has.
        faults = _Faults()
        for lane in self._lanes:
            if self._stopped.is_set() or faults.concern(lane):
                continue
            try:
                lane.store.renew_sync(self._link(lane), lane.incarnation, 0, ())
            except FAULTS as error:
                faults.add(lane, error)
            except Exception as error:
                log_error(_log, error, "the connection that renews leases cannot be opened yet")

    def _beat(self) -> bool:
        faults = _Faults()
        try:
            for parcel in self._parcels():
                lane, sent = parcel.lane, clock.now()
                if faults.concern(lane):
                    continue
                try:
                    renewal = lane.store.renew_sync(
                        self._link(lane), lane.incarnation, parcel.unread, parcel.pairs
                    )
                    self._apply(parcel, renewal, sent)
                except FAULTS as error:
                    faults.add(lane, error)
                except Exception as error:
                    # What nobody has thought of costs the leases of one queue, not those of all.
                    log_error(_log, error, "leases of queue %s cannot be renewed", lane.queue.name)
                    faults.add(lane, error)
        except Exception as error:
            log_error(_log, error, "a renewal of leases failed")
            return False
        return self._end_beat(faults)

    def _end_beat(self, faults: _Faults) -> bool:
        # What has just failed may take its whole timeout again.
        self._lanes = sorted(self._lanes, key=faults.concern)
        self._note(faults.last)
        return faults.last is None

    async def beat_on_loop(self) -> float | None:
        """Renew once from the event loop, where no blocking connection can be made.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        faults = _Faults()
        for parcel in self._parcels():
            lane, sent = parcel.lane, clock.now()
            if faults.concern(lane):
                continue
            try:
                async with lane.store.server.borrow() as link:
                    renewal = await lane.store.renew(
                        link, lane.incarnation, parcel.unread, parcel.pairs
                    )
            except FAULTS as error:
                faults.add(lane, error)
            else:
                self._apply(parcel, renewal, sent)
        if not self._end_beat(faults) and faults.last is not None:
            raise faults.last
        return self.period

    def _parcels(self) -> Iterator[_Parcel]:
        # However long the leases are: a renewal also tells of what is to be cancelled.
        self._lease_ms = min([run.lease_ms for run in self._runs()] + [USUAL_LEASE_MS])
        silent = self._asked and time.monotonic() - self._answered > _BLOCKED
        hung = silent and any(run.overdue(hangs=True) for run in self._runs() if not run.done)
        for lane in self._lanes:
            # Before the runs: what is taken in between the two is then in both, and not in neither.
            unread = 0 if hung else lane.unread
            # What has ended but is not accepted yet is renewed however long it takes.
            runs = [
                run
                for run in list(lane.held.values())
                if run.done or not (run.overdue(hangs=silent) or (hung and not run.begun))
            ]
            while runs or unread:
                chunk, runs = runs[:_CHUNK], runs[_CHUNK:]
                pairs: list[str | bytes] = []
                for run in chunk:
                    pairs += (run.key, f"{run.token} {run.lease_ms}")
                yield _Parcel(lane, chunk, unread, pairs)
                unread = 0

    def _runs(self) -> list[Run]:
        return [run for lane in self._lanes for run in list(lane.held.values())]

    def _apply(self, parcel: _Parcel, renewal: Renewal, sent: float) -> None:
        lane, lost = parcel.lane, set(renewal.lost)
        for run in parcel.runs:
            if run.key not in lost:
                run.hold(sent)
        if renewal.confirmed:
            lane.confirmed = (renewal.confirmed, sent)
        try:
            for run in parcel.runs:
                if run.key in lost:
                    self._loop.call_soon_threadsafe(lane.lost, run)
                elif run.key in renewal.cancel:
                    self._loop.call_soon_threadsafe(run.cancel, renewal.cancel[run.key])
        except RuntimeError:
            # The loop was closed under the worker; nobody is left to be told.
            self._stopped.set()

    def _link(self, lane: Lane) -> SyncLink:
        timeout = max(self.period * _PATIENCE, _SHORTEST_TIMEOUT)
        link = self._links.get(lane)
        if link is None:
            made = lane.store.server.sync_link(timeout)
            if made is None:
                raise RuntimeError("a heartbeat thread is only started where a link can be made")
            link = self._links[lane] = made
        link.set_timeout(timeout)
        return link

    def _drop_links(self) -> None:
        for link in self._links.values():
            link.close()
        self._links.clear()

    def _note(self, error: BaseException | None) -> None:
        # An outage is reported by the loops; what only this connection meets, here.
        failed_before, self._failing = self._failing, error is not None
        if error is not None and not failed_before:
            level = logging.DEBUG if classify(error) is Fault.RETRY else logging.ERROR
            _log.log(level, "leases cannot be renewed for now: %s", error)
        elif error is None and failed_before:
            _log.debug("leases are renewed again")

    def _watch(self) -> None:
        if self._loop.is_closed():
            # Nobody runs these jobs any more: their leases are to run out.
            self._stopped.set()
            return
        if self._asked:
            late = time.monotonic() - self._answered
            if late > _BLOCKED and not self._reported:
                self._reported = True
                self._report(late)
            return
        self._asked = True
        self._answered = time.monotonic()
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            self._stopped.set()

    def _answer(self) -> None:
        reported, seconds = self._reported, time.monotonic() - self._answered
        self._asked = self._reported = False
        if reported:
            _log.warning("the event loop runs again after %.1f s", seconds)

    def _report(self, late: float) -> None:
        # Documented for this very purpose, its underscore notwithstanding.
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
        frame = frames.get(self._loop_thread)
        runs = [walked.f_locals.get("run") for walked, _ in traceback.walk_stack(frame)]
        names = [
            f"job {run.id} of task {run.task.name}"
            for run in runs
            # Not by isinstance, which asks whatever a task calls by that name for its class.
            if type(run) is Run and run.task is not None
        ]
        _log.warning(
            "the event loop has been blocked for %.1f s by %s; its leases are kept, but no other "
            "job of this worker moves. Run blocking code with executor='thread'.\n%s",
            late,
            names[0] if names else "something other than a job",
            "".join(traceback.format_stack(frame, _SHOWN)),
        )
