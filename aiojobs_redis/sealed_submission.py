"""Adds jobs to a queue whose payloads are sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.submission import Submission

if TYPE_CHECKING:
    from aiojobs_redis._redis.producer import NewJob
    from aiojobs_redis.task import BoundCall

__all__ = ["SealedSubmission"]


class SealedSubmission(Submission):
    """Adds the jobs of one queue, each with its payload sealed for its id."""

    def new_job(self, call: BoundCall[Any]) -> NewJob:
        """Return what is written for a call.

        Raises:
            PayloadTooLarge: It is over the limit as it is stored, with its seal.
        """
        job = super().new_job(call)
        if self._sealing is None:
            raise RuntimeError("a sealed submission is for a queue with a codec")
        spec = self._sealing.seal("payload", job.id.encode(), job.spec)
        self._check_size(call.task, spec)
        return msgspec.structs.replace(job, spec=spec)
