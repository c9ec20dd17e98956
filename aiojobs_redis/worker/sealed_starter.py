"""Starts the runs of a queue whose payloads are sealed, and seals what they leave."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from aiojobs_redis._redis.sealed_errors import seal_line
from aiojobs_redis.errors import PayloadRejected
from aiojobs_redis.worker.starter import Starter

if TYPE_CHECKING:
    from aiojobs_redis.sealing import Sealing
    from aiojobs_redis.worker.completion import Completion
    from aiojobs_redis.worker.executor import Executor
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.policy import Policy
    from aiojobs_redis.worker.run import Run

__all__ = ["SealedStarter"]

_log = logging.getLogger("aiojobs_redis.worker")

_NONE = b"\xc0"


class SealedStarter(Starter):
    """Starts runs whose payload was sealed for this job of this queue; any other is dead.

    Args:
        lane: Their lane.
        executor: Runs the attempts.
        sealing: Opens payloads, seals results and errors.
    """

    def __init__(self, lane: Lane, executor: Executor, sealing: Sealing) -> None:
        super().__init__(lane, executor)
        self._sealing = sealing
        self._end = self._end_sealed

    def _read(self, run: Run) -> Policy | None:
        self._check_size(run)
        try:
            run.body = self._sealing.open("payload", run.key, run.body)
        except PayloadRejected as error:
            _log.warning("job %s is dead, it was not run: %s", run.id, error)
            raise
        return super()._read(run)

    def _end_sealed(self, run: Run, completion: Completion | None) -> None:
        if completion is not None:
            completion = self._sealed(completion)
        self._lane.end(run, completion)

    def _sealed(self, completion: Completion) -> Completion:
        key, body = completion.run.key, completion.body
        match completion.code:
            case "c":
                # None is sealed too, or a result could be taken away unseen.
                body = self._sealing.seal("result", key, body or _NONE)
            case "t" | "d" | "x" if body:
                body = seal_line(body, self._sealing, key)
            case _:
                return completion
        return msgspec.structs.replace(completion, body=body)
