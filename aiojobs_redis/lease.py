"""A job that somebody has claimed without a worker, and what he can do with it.

claimed ── complete ──▶ completed        ── fail ──▶ retrying or dead, as after an attempt
│    ── release ───▶ queued, at its old place, nothing charged
└─ its time is over: another one may claim it, and every call here raises LeaseLost
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis._redis.abroad import learn_abroad
from aiojobs_redis._redis.claimer import End
from aiojobs_redis._redis.inspector import read_errors
from aiojobs_redis.context import JobContext
from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid, LeaseLost, QueueUnavailable
from aiojobs_redis.given import named
from aiojobs_redis.handle import Job
from aiojobs_redis.policy import policy_from, policy_of
from aiojobs_redis.silence import Silence
from aiojobs_redis.spec import read_header, whole
from aiojobs_redis.verdict import Verdict, encoded_result, judge, sealed_body
from aiojobs_redis.waits import ready_wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from aiojobs_redis._redis.claimer import Claimer
    from aiojobs_redis._redis.store import Claim, Store
    from aiojobs_redis.queue import Queue
    from aiojobs_redis.spec import Spec

__all__ = ["Lease"]

_LEASE_MS = 15_000


class Lease:
    """A claimed job, which is the caller's until it ends the lease or the lease runs out.

    Nothing renews it but `extend`. Each call ends in Redis or raises; after `QueueUnavailable` the
    same call may be made again, and changes nothing that is done already.

    Attributes:
        job: Its handle.
        task: Name of its task.
        args: Its positional arguments: as the task annotates them where it is registered with the
            queue, plain data otherwise.
        kwargs: Its keyword arguments.
        headers: Texts that travel beside the arguments.
        attempt: Number of this attempt, from 1.
        generation: 1, and one more with each replay.
        lost_deliveries: Leases of this job that ran out before.
        fencing_token: A number that only grows within a queue, see `JobContext`.
        cancelled: Whether somebody has asked to cancel the job, as of the last `extend`.
        cancel_reason: Why, where `Job.cancel` was given a reason.
    """

    def __init__(
        self,
        queue: Queue,
        claimer: Claimer,
        claim: Claim,
        nonce: str,
        *,
        spec: Spec,
        call: tuple[Sequence[Any], Mapping[str, Any]],
        lease_ms: int | None,
    ) -> None:
        header = claim.blob.partition(b"\n")[0]
        options = read_header(header)
        self._queue = queue
        self._claimer = claimer
        self._key = claim.id
        self._token = f"{claim.fence},{nonce}"
        own_ms: int = whole(options.get("l", ""), _LEASE_MS)
        self._lease_ms = own_ms if lease_ms is None else lease_ms
        self._keep_result = str(whole(options.get("r", ""), ""))
        self._began = time.monotonic()
        self._task = queue.tasks.get(spec.task)
        policy = (
            policy_from(queue.defaults, "async") if self._task is None else policy_of(self._task)
        )
        self._policy = policy.override(spec.options)
        self._end: End | None = None
        self._verdict: Verdict | None = None
        id = claim.id.decode(errors="replace")
        self.job: Job[Any] = Job(queue, id, created=False, task=self._task)
        self.task: str = spec.task
        self.args: Sequence[Any] = call[0]
        self.kwargs: Mapping[str, Any] = call[1]
        self.headers: Mapping[str, str] = spec.headers
        self.attempt: int = claim.failures + 1
        self.generation: int = claim.generation
        self.lost_deliveries: int = claim.lost
        self.fencing_token: int = claim.fence
        self.cancelled: bool = False
        self.cancel_reason: str | None = None
        self._context = _Holder(self, header).context
        if queue.history is not None:
            queue.history.started(id, self._token, self.attempt, self._policy.attempts)

    def __repr__(self) -> str:
        return f"<Lease of job {self.job.id}, task {self.task}, attempt {self.attempt}>"

    async def complete(self, result: Any = None) -> None:
        """End the job as ``completed``.

        Args:
            result: What `Job.result` is to return.

        Raises:
            ResultNotEncodable: The result has no MessagePack form, or is not what the task
                declares; nothing was written.
            LeaseLost: The lease ran out, or was ended otherwise; nothing was written.
            QueueUnavailable: Redis did not answer.
        """
        codec = None if self._task is None else self._task.codec
        await self._finish(Verdict("c", self._keep_result, encoded_result(codec, result)))

    async def fail(self, error: BaseException | str) -> None:
        """End the attempt as one that raised: the job is tried again, or is dead.

        Args:
            error: What it raised, a `Retry`, `Snooze`, `WaitFor`, `Cancel` or `Fail` included; or a
                text. The options of the task decide where it is registered with the queue, else
                those of the queue and of the job.

        Raises:
            ConfigInvalid: It is neither an error nor a text, or a `WaitFor` names jobs of a queue
                on which those of this one cannot depend; nothing was written. Or the job may not
                wait for the jobs that it names, and is dead.
            LeaseLost: As for `complete`.
            QueueUnavailable: Redis did not answer.
        """
        if not isinstance(error, BaseException | str):
            raise ConfigInvalid(
                f"fail takes an error or a text, got {named(error)}: give for instance "
                "ValueError('why'). Nothing was written."
            )
        raised = RuntimeError(error) if isinstance(error, str) else error
        verdict = await judge(raised, self._context, self._policy)
        if verdict.code == "w":
            await self._wait(verdict)
        else:
            await self._finish(verdict)

    async def _wait(self, verdict: Verdict) -> None:
        policy = self._policy.on_parent_failure
        wait = await ready_wait(self._queue, verdict.body, policy)
        await self._finish(msgspec.structs.replace(verdict, body=wait.body))
        if self._end is not None and self._end.refused:
            raise ConfigInvalid(f"{self._end.refused}. It is dead")
        if wait.abroad:
            # What is not asked for now, the workers ask for.
            with contextlib.suppress(QueueUnavailable):
                await learn_abroad(self._queue.store, wait.abroad)

    async def release(self) -> None:
        """Hand the job back to its old place, as one that was not begun; nothing is charged.

        Raises:
            LeaseLost: As for `complete`.
            QueueUnavailable: Redis did not answer.
        """
        await self._finish(Verdict("u"))

    async def extend(self, seconds: float | timedelta | None = None) -> None:
        """Make the lease last that long from now; a longer one stays.

        Args:
            seconds: The new length; that of the claim by default.

        Raises:
            LeaseLost: As for `complete`.
            QueueUnavailable: Redis did not answer.
        """
        if self._end is not None:
            raise self._lost()
        ms = self._lease_ms if seconds is None else to_ms("seconds", seconds, least=1)
        renewal = await self._claimer.extend(self._key, self._token, ms)
        if renewal.lost:
            raise self._lost()
        wish = renewal.cancel.get(self._key)
        if wish is not None:
            self.cancelled = True
            errors = read_errors(wish, self._queue.store.sealing, self._key)
            self.cancel_reason = errors[-1].message or None if errors else None

    async def _finish(self, verdict: Verdict) -> None:
        code, body = verdict.code, verdict.body
        before = self._end
        if before is None:
            sealing = self._queue.store.sealing
            sent = body if sealing is None else sealed_body(sealing, self._key, code, body)
            ms = int((time.monotonic() - self._began) * 1000)
            self._verdict = verdict
            self._end = End(
                *(self._key, self._token, code, verdict.argument, sent), task=self.task, ms=ms
            )
        elif before.accepted is not None or before.code != code or self._differs(verdict):
            # Redis may not have answered: then it is asked again what became of it.
            await self._claimer.end(before)
            raise self._lost()
        end = self._end
        if end is None:
            raise RuntimeError("an end was made above")
        if not await self._claimer.end(end):
            raise self._lost()
        if self._queue.history is not None:
            self._queue.history.ended(self.job.id, self._token, code)

    def _differs(self, verdict: Verdict) -> bool:
        # An error is another one each time it is made again, by its moment.
        return verdict.code == "c" and verdict != self._verdict

    def _lost(self) -> LeaseLost:
        ended = self._end is not None and self._end.accepted
        why = "it was ended before" if ended else "it ran out, or the job was removed"
        return LeaseLost(f"the lease of job {self.job.id} is lost: {why}. Nothing was written")


class _Holder:
    """The lease as a `JobContext` sees it, for back-offs that ask for the job."""

    def __init__(self, lease: Lease, header: bytes) -> None:
        self._lease = lease
        self.revoked: asyncio.Event = asyncio.Event()
        self.notes: Silence = Silence("the job was claimed without a worker, which would write it")
        self.context: JobContext = JobContext(
            self,
            id=lease.job.id,
            task=lease.task,
            queue=lease.job.queue.name,
            attempt=lease.attempt,
            generation=lease.generation,
            lost_deliveries=lease.lost_deliveries,
            headers=lease.headers,
            fencing_token=lease.fencing_token,
            header=header,
        )

    @property
    def stopping(self) -> bool:
        """Whether somebody has asked to cancel the job."""
        return self._lease.cancelled

    @property
    def told(self) -> threading.Event:
        """Set where somebody has asked to: a back-off that asks for the job does not wait."""
        told = threading.Event()
        if self.stopping:
            told.set()
        return told

    @property
    def cancel_reason(self) -> str | None:
        """Why somebody has asked to."""
        return self._lease.cancel_reason

    @property
    def timed_out(self) -> bool:
        """Nobody looks after a timeout here: it is the caller's."""
        return False

    @property
    def store(self) -> Store:
        """The job's queue in Redis."""
        return self._lease.job.queue.store

    async def extend(self, ms: int) -> None:
        """Make the lease last that long from now."""
        await self._lease.extend(ms / 1000)
