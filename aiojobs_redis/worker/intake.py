"""What an exchange answered, turned into runs.

    answered ── settle its completions, hold all of its claims ──▶ held ── start ──▶ running

Two rules keep that safe:
- All claims of an answer are held, and so renewed, before the first of them starts: it may block
  the loop for longer than a lease.
- What is past its deadline when its turn to start comes, or nearly, goes back, uncharged.

Where nothing is on its way, the first half of an answer is started, and the rest once the
completions of that half have left: from then on two halves of the slots take turns, and neither
Redis nor the worker waits for the other. Jobs that do not end at once find their own rhythm.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.worker import clock
from aiojobs_redis.worker.completion import Completion
from aiojobs_redis.worker.sealed_starter import SealedStarter
from aiojobs_redis.worker.starter import Starter
from aiojobs_redis.worker.watch import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiojobs_redis._redis.store import Exchange
    from aiojobs_redis.worker.executor import Executor
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.run import Run
    from aiojobs_redis.worker.stopping import Stopping

__all__ = ["Answer", "Intake"]

_log = GuardedLog("aiojobs_redis.worker")

_WORTH_HALVING = 8
"""Runs below which one exchange for all of them is cheaper than two that overlap."""


class Answer(NamedTuple):
    """An exchange that was answered.

    Attributes:
        number: Its counter.
        nonce: Second half of the tokens of its claims.
        sent: Boot-time second at which its first copy was sent.
        room: How many of its claims may start; the rest goes back.
        batch: The completions that it carried.
        reply: What Redis said.
    """

    number: int
    nonce: str
    sent: float
    room: int
    batch: Sequence[Completion]
    reply: Exchange


class Intake:
    """Takes in the answers of one lane and starts its runs.

    Args:
        lane: The lane.
        executor: Runs the jobs.
        stopping: How far the worker is on its way to the end.
    """

    def __init__(self, lane: Lane, executor: Executor, stopping: Stopping) -> None:
        self._lane = lane
        self._stopping = stopping
        sealing = lane.store.sealing
        self._starter = (
            Starter(lane, executor) if sealing is None else SealedStarter(lane, executor, sealing)
        )
        self._answers: deque[Answer] = deque()
        self._unstarted: deque[Run] = deque()
        self._part = 0

    @property
    def waiting(self) -> bool:
        """Whether there is something to be taken in or started."""
        return bool(self._answers or self._unstarted)

    def put(self, answer: Answer) -> None:
        """Take an answer, to be worked off soon."""
        self._answers.append(answer)

    def work_off(self, *, all_at_once: bool) -> None:
        """Take in all answers, and start their runs: all, or a half of those of the last one."""
        self._take_in()
        self._start(len(self._unstarted) if all_at_once else self._part)

    def fallen(self, run: Run) -> None:
        """End a run whose asyncio task has ended and said nothing."""
        self._starter.fallen(run)

    def _take_in(self) -> None:
        while self._answers:
            answer = self._answers.popleft()
            lane = self._lane
            self._settle(answer)
            nonce, since = answer.nonce, lane.leased_since(answer)
            runs = [lane.hold(claim, nonce, since) for claim in answer.reply.claims]
            lane.observing = lane.transitions.wanted
            if lane.observing:
                for run in runs:
                    run.claimed_ms = answer.reply.now
            lane.taken_in()
            for run in runs[answer.room :]:
                lane.hand_back(run)
            self._unstarted += runs[: answer.room]
            count = len(self._unstarted)
            self._part = count if count < _WORTH_HALVING else (count + 1) // 2

    def _settle(self, answer: Answer) -> None:
        reply = answer.reply
        refused = set(reply.lost)
        # Nearly always all were taken, and one look tells.
        all_taken = reply.exists and not refused
        called_off = set(reply.told[3]) if len(reply.told) > 3 else ()
        batch = _as_taken(answer.batch, reply.refused) if len(reply.told) > 4 else answer.batch
        observing, transitions = self._lane.observing, self._lane.transitions
        held = self._lane.held
        for completion in batch:
            run = completion.run
            # As `Lane.release` does, without a call a job.
            if held.get(run.key) is run:
                del held[run.key]
            if not all_taken and (not reply.exists or run.key in refused):
                _log.warning("job %s: its completion came after its lease was lost", run.id)
            elif observing or completion.code != "c":
                transitions.ended(completion, called_off=run.key in called_off)
                if completion.abroad:
                    self._lane.on_to_ask(completion.abroad)
        if reply.told:
            transitions.found(self._lane.queue.name, reply.told)
        failures = self._lane.failures
        if failures is not None and reply.exists:
            failures.accepted(batch, refused.union(called_off))

    def _start(self, count: int) -> None:
        unstarted, start, stopping = self._unstarted, self._starter.start, self._stopping.asked
        loop = asyncio.get_running_loop()
        for _ in range(min(count, len(unstarted))):
            run = unstarted.popleft()
            late = clock.now() > run.deadline - INTERVAL
            if late or run.reason is not None or stopping.is_set():
                self._lane.hand_back(run)
            else:
                start(run, loop)


def _as_taken(batch: Sequence[Completion], refused: Mapping[bytes, str]) -> list[Completion]:
    """Return completions as what became of the jobs, of which some may not wait for others."""
    taken: list[Completion] = []
    for completion in batch:
        run = completion.run
        if completion.code == "w" and run.key in refused:
            run.failed(ConfigInvalid(refused[run.key]))
            completion = Completion(run, "d", kind="wait_refused")
        taken.append(completion)
    return taken
