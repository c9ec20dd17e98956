"""All that runs beside the jobs of a worker, started and stopped together.

Order of the end: claims stop, runs end, completions are accepted, and only then do the renewals of
their leases cease; last the worker leaves the books, which sets the markers again.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import anyio

from aiojobs_redis._redis.faults import FAULTS
from aiojobs_redis.errors import AiojobsError
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.version import VERSION
from aiojobs_redis.worker import watch
from aiojobs_redis.worker.bell import due_bell, wake_bell
from aiojobs_redis.worker.duties import Beats
from aiojobs_redis.worker.forgiver import Forgiver
from aiojobs_redis.worker.handover import Handover
from aiojobs_redis.worker.heartbeat import Heartbeat
from aiojobs_redis.worker.janitor import Janitor
from aiojobs_redis.worker.loop import Loop
from aiojobs_redis.worker.scheduler import Scheduler
from aiojobs_redis.worker.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiojobs_redis.worker.bell import Bell
    from aiojobs_redis.worker.control import Control
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.slots import Slots
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Crew"]

_log = GuardedLog("aiojobs_redis.worker")

_LEAVE = 2.0


class Crew:
    """The loops and the thread of one worker.

    Args:
        lanes: Its lanes.
        slots: Its slots.
        app: Name of the application.
        version: Version of the application; empty where it has none.
        control: What obeys operators.
        stopping: How far it is on its way to the end.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        slots: Slots,
        *,
        app: str,
        version: str,
        control: Control,
        stopping: Stopping,
    ) -> None:
        self._lanes = lanes
        self._stopping = stopping
        self._scope: anyio.CancelScope | None = None
        self._bells: list[Bell] = []
        self._beats: list[Beats] = []
        self._schedulers: list[Scheduler] = []
        self._handovers: list[Handover] = []
        self._loops: list[Loop] = []
        for group in _by_server(lanes):
            self._add_bells(group)
        for lane in lanes:
            scheduler = Scheduler(lane, app=app, version=version, stopping=stopping)
            handover = Handover(lane, stopping)
            beats = Beats(
                lane,
                version=version or VERSION,
                concurrency=lambda: slots.total,
                state=control.state,
                on_lead=self._bells_changed,
                on_tick=scheduler.tick_in,
                on_beat=handover.look,
                on_word=control.obey,
                stopping=stopping,
            )
            janitor, forgiver = Janitor(lane, stopping), Forgiver(lane, stopping)
            self._schedulers.append(scheduler)
            self._beats.append(beats)
            self._loops += (scheduler.ticks, scheduler.declarations, beats.loop, janitor.loop)
            self._handovers.append(handover)
            self._loops += (handover.sending, handover.asking, forgiver.loop)
        label = lanes[0].store.server.label
        self._loops.append(
            Loop(
                "watch runs",
                self._watch,
                interval=watch.INTERVAL,
                server=label,
                stopping=stopping,
                to_the_end=True,
            )
        )
        self._heartbeat = Heartbeat(lanes, asyncio.get_running_loop())
        self._subscribers = [
            Subscriber(group, self._heartbeat.hasten, stopping) for group in _by_server(lanes)
        ]
        for lane in lanes:
            lane.on_lease = self._heartbeat.shorten
        control.on_change = self._beat_now

    @property
    def still(self) -> bool:
        """Whether, as far as it knows, no job of its queues is about to come from what it does."""
        return (
            all(beats.heard for beats in self._beats)
            and not any(scheduler.overdue for scheduler in self._schedulers)
            and not any(handover.busy for handover in self._handovers)
        )

    @property
    def words(self) -> int:
        """How often it has told other queues of ended jobs, or asked them."""
        return sum(handover.words for handover in self._handovers)

    async def run(self) -> None:
        """Run until the lanes have ended, which they do once the worker is asked to stop."""
        self._start_heartbeat()
        try:
            async with anyio.create_task_group() as group:
                self._scope = group.cancel_scope
                for loop in self._loops:
                    group.start_soon(loop.run)
                for bell in self._bells:
                    group.start_soon(bell.run)
                for subscriber in self._subscribers:
                    group.start_soon(subscriber.run)
                async with anyio.create_task_group() as lanes:
                    for lane in self._lanes:
                        lanes.start_soon(lane.run)
                self._stopping.ended.set()
                for subscriber in self._subscribers:
                    subscriber.stop()
                self.stop()
        finally:
            with anyio.CancelScope(shield=True):
                await self._heartbeat.stop()
                await self._leave()

    def _start_heartbeat(self) -> None:
        if not self._heartbeat.needs_loop:
            self._heartbeat.start()
            return
        _log.warning(
            "leases are renewed from the event loop: a client with a connection class of its own "
            "cannot be used from a thread. A task that blocks the loop longer than its lease may "
            "run twice; give the queue a URL to avoid that."
        )
        renewals = Loop(
            "renew leases",
            self._heartbeat.beat_on_loop,
            interval=self._heartbeat.period,
            server=self._lanes[0].store.server.label,
            stopping=self._stopping,
            to_the_end=True,
        )
        self._heartbeat.on_shorter = lambda: renewals.plan(0)
        self._loops.append(renewals)

    def abandon(self) -> None:
        """Give up what is not accepted yet; those leases run out."""
        if self._scope is not None:
            self._scope.cancel()

    def stop(self) -> None:
        """Wake all that waits, so that it sees that the worker stops."""
        for bell in self._bells:
            bell.stop()
        for loop in self._loops:
            loop.stop()
        for lane in self._lanes:
            lane.wake()

    async def _leave(self) -> None:
        for scheduler in self._schedulers:
            scheduler.close()
        # All queues at once: where Redis is silent, many of them are to take no longer than one.
        await asyncio.gather(*(_end(handover.finish) for handover in self._handovers))
        await asyncio.gather(*(_end(beats.leave) for beats in self._beats))

    def _add_bells(self, lanes: Sequence[Lane]) -> None:
        wake, due = wake_bell(lanes, self._stopping), due_bell(lanes, self._stopping)
        self._bells += (wake, due)
        for lane in lanes:
            lane.on_idle = wake.changed

    def _beat_now(self) -> None:
        for beats in self._beats:
            beats.loop.plan(0)

    def _bells_changed(self) -> None:
        for bell in self._bells:
            bell.changed()

    async def _watch(self) -> float:
        return watch.look(self._lanes)


async def _end(step: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE):
            try:
                await step()
            except (*FAULTS, AiojobsError) as error:
                _log.debug("could not leave the books of Redis: %s", error)


def _by_server(lanes: Sequence[Lane]) -> list[list[Lane]]:
    groups: dict[object, list[Lane]] = {}
    for lane in lanes:
        server = lane.store.server
        groups.setdefault(lane if server.is_cluster else server, []).append(lane)
    return list(groups.values())
