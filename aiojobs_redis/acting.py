"""Something that somebody does to a queue, noted before it is done; then what came of it.

All that the dashboard, the HTTP API and the command line do to a queue goes this way. The note is
in the queue, which takes it along when it is destroyed, and in the log `aiojobs_redis.audit`, which
an application sends to where it is to stay.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from aiojobs_redis.errors import AiojobsError, NotReplicated
from aiojobs_redis.handle import Job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiojobs_redis.queue import Queue

__all__ = ["Act"]

T = TypeVar("T")

_log = logging.getLogger("aiojobs_redis.audit")


class Act:
    """One action of somebody.

    Args:
        queue: To which queue.
        who: Who does it.
        action: Its name.
        job: To which job.
        details: What else is asked for; None is left out.
    """

    def __init__(
        self, queue: Queue, who: str, action: str, job: str | None = None, /, **details: Any
    ) -> None:
        self._queue, self._who, self._action, self._job = queue, who, action, job
        self._details = {name: value for name, value in details.items() if value is not None}

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it, noted before; and note its error, the number of jobs or the job that it made.

        Raises:
            QueueUnavailable: The note was not taken, and nothing was done; or as the work raises.
        """
        await self.note()
        try:
            done = await work()
        except Exception as error:
            await self._note_error(error)
            raise
        if isinstance(done, Job):
            self._job = done.id
            await self._note_safely("added" if done.created else "is there already, none was added")
        elif isinstance(done, int) and not isinstance(done, bool):
            await self._note_safely(f"{done} jobs")
        return done

    async def note(self, outcome: str | None = None) -> None:
        """Note it, in the log and in the queue.

        Args:
            outcome: What came of it; None before it is done.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        self.log(outcome)
        await self._queue.note_action(self._who, self._action, self._job, self._details, outcome)

    def log(self, outcome: str | None = None) -> None:
        """Write it to the log alone."""
        job = "" if self._job is None else f" job {_on_one_line(self._job)},"
        end = "" if outcome is None else f": {_on_one_line(outcome)}"
        _log.info(
            "%s: %s,%s queue %s%s",
            *(_on_one_line(self._who), self._action, job, self._queue.name, end),
            extra={
                "who": self._who,
                "action": self._action,
                "queue": self._queue.name,
                "job_id": self._job,
                "outcome": outcome,
            },
        )

    async def _note_error(self, error: Exception) -> None:
        if isinstance(error, NotReplicated) and error.jobs:
            # It was added all the same.
            self._job = error.jobs[0].id
        kind = type(error).__name__
        await self._note_safely(f"{kind}: {error}" if isinstance(error, AiojobsError) else kind)

    async def _note_safely(self, outcome: str) -> None:
        # The change is made, or its error is worth more than that of the note.
        try:
            await self.note(outcome)
        except AiojobsError as error:
            _log.warning("the outcome of %s was not recorded: %s", self._action, error)


def _on_one_line(text: str) -> str:
    # Names, ids and errors are of others: none may look like a line of its own.
    return text if text.isprintable() else repr(text)
