"""What an operator does with a queue: look at it, pause it, run dead jobs again, remove jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from aiojobs_redis._redis.inspector import STATE_LETTERS, Inspector
from aiojobs_redis._redis.remover import Remover
from aiojobs_redis._redis.replayer import Replayer
from aiojobs_redis._redis.report import read_report
from aiojobs_redis.duration import LONGEST_MS, instant_ms, to_ms
from aiojobs_redis.errors import ConfigInvalid, JobStateError, QueueUnavailable
from aiojobs_redis.given import check_flag, check_whole
from aiojobs_redis.health import Health, judge
from aiojobs_redis.job import JobState
from aiojobs_redis.limiting import scope_of_one

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.job import Counts, JobInfo, PriorityInfo, WorkerInfo
    from aiojobs_redis.metrics import Metrics
    from aiojobs_redis.server import ServerReport

__all__ = ["Operating", "matches", "state_named"]

_log = logging.getLogger("aiojobs_redis")

_PAGE = 250
_LARGEST_PAGE = 1000
_MOST_KEPT = 10_000_000
_ENDED = (JobState.DEAD, JobState.CANCELLED, JobState.COMPLETED)


class Operating:
    """The part of a `Queue` that needs no task.

    Every method raises `QueueUnavailable` when Redis does not answer. One that says whether it
    changed anything, or how much, speaks of this call, also where an answer was lost on the way and
    it was sent again.

    Args:
        store: The queue in Redis.
    """

    def __init__(self, store: Store) -> None:
        self.store: Store = store
        self._inspector = Inspector(store)
        self._remover = Remover(store, self._inspector)

    async def counts(self) -> Counts:
        """Return how many jobs are in each state, at a cost that does not grow with them."""
        return await self._inspector.counts()

    async def priorities(self) -> list[PriorityInfo]:
        """Return the queued jobs of each priority, the highest first."""
        return await self._inspector.priorities()

    async def metrics(self, minutes: int = 60) -> Metrics:
        """Return what was counted in the last minutes, the running one included.

        Args:
            minutes: 1 to 2880: counts are kept for two days.

        Raises:
            ConfigInvalid: The number is out of range.
        """
        check_whole("minutes", minutes, 1, 2880)
        return await self._inspector.metrics(minutes)

    async def health(
        self,
        max_depth: int | None = 10_000,
        max_oldest: float | timedelta | None = 3600,
        max_dead: int | None = None,
        *,
        timeout: float | timedelta = 1,
    ) -> Health:
        """Return whether the queue is well: a probe asks this, and does not raise.

        Wrong is also that jobs are queued and no worker is there, unless the queue is paused, and
        that Redis does not answer.

        Args:
            max_depth: Queued jobs, at most; None for any number.
            max_oldest: Seconds that the oldest of them may have waited; None for any time.
            max_dead: Dead letters, at most; None, the default, for any number.
            timeout: Seconds within which Redis has to answer: a probe has a limit itself, of a
                second by default in Kubernetes.

        Raises:
            ConfigInvalid: A limit is out of range.
        """
        check_whole("max_depth", max_depth, 0, optional=True)
        check_whole("max_dead", max_dead, 0, optional=True)
        seconds = None if max_oldest is None else to_ms("max_oldest", max_oldest) / 1000
        patience = to_ms("timeout", timeout, least=1) / 1000
        try:
            # Of a call that only reads, the connection is all that is lost when it is broken off.
            async with asyncio.timeout(patience):
                counts = await self._inspector.counts(patience)
        except QueueUnavailable as error:
            return Health(ok=False, problems=(str(error),), counts=None)
        except TimeoutError:
            problem = f"Redis at {self.store.server.label} did not answer within {patience:g} s"
            return Health(ok=False, problems=(problem,), counts=None)
        return judge(counts, max_depth, seconds, max_dead)

    async def server(self) -> ServerReport:
        """Return what the server says of itself, with what is wrong with it for a queue."""
        return await read_report(self.store.server)

    async def states(self, ids: Sequence[str]) -> dict[str, JobState | None]:
        """Return the state of each job, None for one there is no record of.

        Raises:
            ConfigInvalid: What was given is no list of ids.
        """
        _check_ids("states", ids)
        return await self._inspector.states(ids)

    async def infos(self, ids: Sequence[str]) -> list[JobInfo]:
        """Return the records of jobs, without those that are gone.

        Raises:
            ConfigInvalid: What was given is no list of ids.
        """
        _check_ids("infos", ids)
        return await self._inspector.infos(ids)

    async def jobs(
        self,
        state: JobState | str,
        task: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> list[JobInfo]:
        """Return one page of the jobs in a state, in the order of its index.

        Args:
            state: The state.
            task: Only jobs of this task; looked for among all jobs of the state.
            offset: Matching jobs to pass over.
            limit: Jobs to return at most.

        Raises:
            ConfigInvalid: There is no such state, or a number is out of range.
        """
        wanted = state_named(state)
        _check_page(offset, limit)
        if task is not None:
            return await self._find(wanted, lambda info: info.task == task, offset, limit)
        ids: list[str] = []
        while len(ids) < limit:
            size = min(limit - len(ids), _LARGEST_PAGE)
            page = await self._inspector.ids(wanted, offset + len(ids), size)
            ids += page
            if len(page) < size:
                break
        return await self.infos(ids)

    async def dead_letters(
        self,
        task: str | None = None,
        error: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> list[JobInfo]:
        """Return dead jobs, the longest dead first; of other retentions, those that go first.

        Args:
            task: Only those of this task.
            error: Only those whose last error is of this type.
            offset: Matching jobs to pass over.
            limit: Jobs to return at most.

        Raises:
            ConfigInvalid: A number is out of range.
        """
        _check_page(offset, limit)
        return await self._find(
            JobState.DEAD, lambda info: matches(info, task, error), offset, limit
        )

    async def replay_all(
        self,
        task: str | None = None,
        error: str | None = None,
        *,
        state: JobState | str = JobState.DEAD,
        before: datetime | None = None,
        limit: int | None = None,
    ) -> int:
        """Run ended jobs again, dead ones by default, that had ended when this began; their number.

        They go in batches of 250, each all or nothing: a call that was broken off can be repeated.
        None is replayed twice, also if it has ended again by then. One that somebody else has
        replayed meanwhile is left alone. Jobs whose unique key another job holds by now stay as
        they are. So does one that depends on a job that has failed and is not replayed: it runs
        again with that one, unless it is to run whatever becomes of others. A warning says how many
        those are.

        What died of one of these jobs runs again with it, of any task and error, and counts too;
        but not what workers have let run again, which they do where that is more than a hundred.

        Args:
            task: Only those of this task.
            error: Only those whose last error is of this type: of a cancelled job why it was
                cancelled, of a completed one what its last attempt before failed with.
            state: Dead, cancelled or completed.
            before: Only those that ended before this moment, by the server's clock. All jobs of the
                state are looked at for that, 250 a call: a retention of its own moves a job in the
                index, so that one behind the others may have ended first. Of those that have
                completed and have none, no more are than ended by then.
            limit: Jobs to replay at most, in the order of the index, but what died of one of them
                runs again with it all the same; None for all there are.

        Raises:
            ConfigInvalid: The state is another one, the moment has no time zone, or the limit is
                not acceptable; nothing was changed.
        """
        wanted = state_named(state)
        if wanted not in _ENDED:
            raise ConfigInvalid(
                f"state must be {', '.join(_ENDED[:-1])} or {_ENDED[-1]}, got {wanted}: only jobs "
                "that have ended can run again. promote_all() lets those run that wait for their "
                "time. Nothing was changed."
            )
        last = None if before is None else max(0, instant_ms("before", before) - 1)
        check_whole("limit", limit, 1, optional=True)
        replayer, left, moment = Replayer(self.store, limit), list[str](), 0
        letter = STATE_LETTERS[wanted]
        async for moment, page in self._inspector.walk(wanted, last=last):
            if task is not None or error is not None:
                infos = await self.infos(page)
                page = [info.id for info in infos if matches(info, task, error)]
            # What is blocked by now runs again with the one of which it died.
            ended = f"{letter}A{moment}"
            left += await replayer.replay(ended, page, only=f"{letter}b")
            if replayer.is_over:
                break
        number = len(left) + 1
        for patience in "AP":
            while left and len(left) < number:
                number = len(left)
                # What was met before those on which it depends, mostly in the other direction.
                ended = f"{letter}{patience}{moment}"
                left = await replayer.replay(ended, left[::-1])
            number = len(left) + 1
        held = "other jobs hold their unique keys. Replay them once those have ended"
        self._warn(replayer.held, wanted, held)
        failed = "jobs on which they depend have failed. Replay those with them"
        self._warn(len(left), wanted, failed)
        return replayer.count

    def _warn(self, number: int, state: JobState, why: str) -> None:
        if number:
            queue = self.store.queue
            _log.warning("%d %s jobs of queue %s were not replayed: %s.", number, state, queue, why)

    async def promote_all(
        self, task: str | None = None, key: str | None = None, limit: int | None = None
    ) -> int:
        """Let jobs that waited for their time when this began run now; the number of them.

        These are scheduled jobs, then retrying ones, of each those that would have been due first
        before the others. They go in batches of 250, each all or nothing, and no more are held in
        memory: a call that was broken off can be repeated. One that came due by itself meanwhile,
        and waits again, is left alone; one whose time somebody changes meanwhile may be.

        Args:
            task: Only those of this task.
            key: Only those of this key.
            limit: Jobs to promote at most; None for all there are.

        Raises:
            ConfigInvalid: The limit is not acceptable.
        """
        check_whole("limit", limit, 1, optional=True)
        promoted = moment = 0
        for letter, state in (("s", JobState.SCHEDULED), ("t", JobState.RETRYING)):
            async for since, page in self._inspector.walk(state, moment):
                moment = since
                if task is not None or key is not None:
                    infos = await self.infos(page)
                    page = [info.id for info in infos if _is_of(info, task, key)]
                while page and (limit is None or promoted < limit):
                    part = page if limit is None else page[: limit - promoted]
                    letters = (await self.store.ask_once("promote", letter, *part)).decode()
                    promoted += letters.count(letter.upper())
                    page = page[len(letters) :]
                if promoted == limit:
                    return promoted
        return promoted

    async def drain(self, *, scheduled: bool = False) -> int:
        """Remove the jobs that were waiting to run when this began; the number of them.

        Running and finished jobs stay, and so do schedules, and what is added or falls due
        meanwhile. A job that is tried again, or was handed back, meanwhile may go, as if this had
        begun then. What is queued or blocked goes in batches of 250, each all or nothing: a call
        that was broken off can be repeated.

        Args:
            scheduled: Whether also what waits for its time goes, scheduled and retrying jobs.

        Raises:
            ConfigInvalid: ``scheduled`` is neither True nor False; nothing was removed.
        """
        check_flag("scheduled", scheduled)
        late = (JobState.SCHEDULED, JobState.RETRYING) if scheduled else ()
        return await self._remover.drain((*late, JobState.BLOCKED, JobState.QUEUED))

    async def clean(
        self,
        state: JobState | str,
        older_than: float | timedelta = 0,
        limit: int | None = None,
        *,
        task: str | None = None,
        error: str | None = None,
    ) -> int:
        """Remove jobs of one state, in the order of its index; the number of them.

        Args:
            state: Any but running.
            older_than: Seconds since they have finished; of unfinished ones since their enqueue.
            limit: Jobs to remove at most; None for all there are.
            task: Only those of this task.
            error: Only those whose last error is of this type.

        Raises:
            ConfigInvalid: There is no such state, or a number is out of range.
            JobStateError: The state is running; nothing was removed.
        """
        wanted = state_named(state)
        age = to_ms("older_than", older_than)
        check_whole("limit", limit, 1, optional=True)
        if wanted is JobState.RUNNING:
            raise JobStateError(
                "running jobs cannot be removed: cancel them, or wait for their end. "
                "Nothing was changed."
            )
        if task is None and error is None:
            return await self._remover.clean(wanted, age, limit)
        return await self._remover.clean(
            wanted, age, limit, lambda info: matches(info, task, error)
        )

    async def keep(
        self,
        *,
        completed: int | None = None,
        cancelled: int | None = None,
        dead: int | None = None,
    ) -> bool:
        """Set how many finished jobs the queue keeps at most; whether that changed anything.

        Their age counts beside that, whichever comes first. Those go first that would be kept the
        least longer: the oldest, or those of a shorter retention. What is kept for ever does not
        count. The numbers stand in Redis until they are set anew or the queue is
        destroyed; what is left out is at its default.

        Args:
            completed: 1 to 10,000,000; None for 100,000 of those without a ``keep_result`` of their
                own, and any number of the others.
            cancelled: Likewise; None for 100,000.
            dead: Likewise; None for 100,000.

        Raises:
            ConfigInvalid: A number is out of range; nothing was changed.
        """
        numbers = {"completed": completed, "cancelled": cancelled, "dead": dead}
        for name, number in numbers.items():
            whole = isinstance(number, int) and not isinstance(number, bool)
            if number is not None and not (whole and 1 <= number <= _MOST_KEPT):
                raise ConfigInvalid(
                    f"{name} must be a whole number from 1 to {_MOST_KEPT} or None, got "
                    f"{number!r:.80}. To keep none of them, give the jobs keep_result, "
                    "keep_cancelled or keep_dead of 0."
                )
        words = ["" if number is None else number for number in numbers.values()]
        return bool(await self.store.ask_once("keep", *words))

    async def pause(self, *, task: str | None = None, key: str | None = None) -> bool:
        """Start no more jobs, on any worker; whether that changed anything. Running ones finish.

        Args:
            task: Only of this task; the others go on.
            key: Only of this key; with ``task`` only jobs of both.

        Raises:
            ConfigInvalid: ``key`` is ``*``.
        """
        if task is None and key is None:
            return bool(await self.store.ask_once("pause", 1))
        return bool(await self.store.ask_once("close", scope_of_one(task, key), LONGEST_MS))

    async def resume(self, *, task: str | None = None, key: str | None = None) -> bool:
        """Start jobs again; whether that changed anything. It takes what `pause` was given."""
        if task is None and key is None:
            return bool(await self.store.ask_once("pause", 0))
        return bool(await self.store.ask_once("close", scope_of_one(task, key), 0))

    async def workers(self) -> list[WorkerInfo]:
        """Return the workers that were seen in the last minute."""
        return await self._inspector.workers()

    async def destroy(self, *, force: bool = False) -> None:
        """Delete the queue with all its jobs and schedules.

        Args:
            force: Also where jobs have not ended. The workers of those that run are told that the
                lease is lost.

        Raises:
            ConfigInvalid: ``force`` is neither True nor False; nothing was deleted.
            JobStateError: Jobs run, or wait to; nothing was deleted.
        """
        check_flag("force", force)
        _, born = await self.store.ask("mark")
        prevented = await self.store.ask("destroy", born, int(force))
        if prevented != -1:
            running, waiting = prevented
            raise JobStateError(
                f"queue {self.store.queue} has {running} running and {waiting} waiting jobs: let "
                "them end or drain them first, or delete them too with force=True. Nothing was "
                "deleted."
            )

    async def _find_one(self, id: str) -> JobInfo | None:
        found = await self.infos([id])
        return found[0] if found else None

    async def _find(
        self, state: JobState, accepts: Callable[[JobInfo], bool], offset: int, limit: int
    ) -> list[JobInfo]:
        found: list[JobInfo] = []
        at = 0
        while len(found) < offset + limit:
            ids = await self._inspector.ids(state, at, _PAGE)
            if not ids:
                break
            at += len(ids)
            found += [info for info in await self.infos(ids) if accepts(info)]
        return found[offset : offset + limit]


def state_named(state: JobState | str) -> JobState:
    """Return a state by its name.

    Raises:
        ConfigInvalid: There is no such state.
    """
    try:
        return JobState(state)
    except ValueError:
        raise ConfigInvalid(
            f"there is no state {state!r:.80}; the states are {', '.join(JobState)}"
        ) from None


def _check_page(offset: int, limit: int) -> None:
    check_whole("offset", offset, 0)
    check_whole("limit", limit, 0)


def _check_ids(method: str, ids: Sequence[str]) -> None:
    # A text is a list of texts, too: of its letters.
    listed = isinstance(ids, Collection) and not isinstance(ids, str)
    if not listed or not all(isinstance(id, str) for id in ids):
        raise ConfigInvalid(f"{method} takes a list of the ids of jobs, got {ids!r:.80}")


def _is_of(info: JobInfo, task: str | None, key: str | None) -> bool:
    return (task is None or info.task == task) and (key is None or info.key == key)


def matches(info: JobInfo, task: str | None, error: str | None) -> bool:
    """Whether a job is one of this task, and its last error of this type; None for any."""
    last = info.errors[-1].type if info.errors else ""
    return (task is None or info.task == task) and (error is None or last == error)
