"""Adds jobs to a queue whose payloads are sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.spec import read_header
from aiojobs_redis.submission import Submission
from aiojobs_redis.unique import sealed_for

if TYPE_CHECKING:
    from aiojobs_redis._redis.producer import NewJob
    from aiojobs_redis.task import BoundCall

__all__ = ["SealedSubmission"]

_NEAR, _SEAL = 2, 4096
"""More than any seal adds: as much again, and 4 KiB."""


class SealedSubmission(Submission):
    """Adds the jobs of one queue, each with its payload sealed for its id."""

    def planned_job(self, call: BoundCall[Any]) -> NewJob:
        """Return what the jobs of a schedule are made from; its payload bears no seal yet.

        Raises:
            PayloadTooLarge: It would be over the limit with the seal of a job.
        """
        job = super().planned_job(call)
        # A codec may ask a service, and schedules are declared where modules are imported: one that
        # is far from the limit is spared that.
        if _NEAR * len(job.spec) + _SEAL > self._max_payload:
            self._sealed(job)
        return _named(job)

    def new_job(self, call: BoundCall[Any]) -> NewJob:
        """Return what is written for a call.

        Raises:
            PayloadTooLarge: It is over the limit as it is stored, with its seal.
        """
        return self._sealed(super().new_job(call))

    def _sealed(self, job: NewJob) -> NewJob:
        if self._sealing is None:
            raise RuntimeError("a sealed submission is for a queue with a codec")
        place = sealed_for(read_header(job.options.encode()), job.id.encode())
        spec = self._sealing.seal(*place, job.spec)
        self._check_size(job.task, spec)
        return _named(msgspec.structs.replace(job, spec=spec))


def _named(job: NewJob) -> NewJob:
    """Return the job with the name of its task in the header: limits of tasks go by it."""
    return msgspec.structs.replace(job, options=f"{job.options},a{job.task}")
